#include "eval/quality.h"

#include <algorithm>
#include <cmath>

namespace pgmmr {
namespace {

double discount(int rank) { return 1 / std::log2(rank + 1.0); }

// The gain of a list that begins with all right answers.
double ideal_gain(std::int64_t answers) {
  double gain = 0;
  for (int rank = 1; rank <= std::min<std::int64_t>(answers, kDepth); ++rank) {
    gain += discount(rank);
  }
  return gain;
}

}  // namespace

void QualityMeter::add(std::span<const int> ranks, std::int64_t answers) {
  ++sum_.queries;
  if (ranks.empty() || ranks.front() > kDepth) return;
  const int first = ranks.front();
  sum_.recall_at_1 += first <= 1 ? 1 : 0;
  sum_.recall_at_5 += first <= 5 ? 1 : 0;
  sum_.recall_at_10 += 1;
  sum_.mrr += 1.0 / first;
  double gain = 0;
  for (const int rank : ranks) gain += rank <= kDepth ? discount(rank) : 0;
  sum_.ndcg += gain / ideal_gain(answers);
}

Quality QualityMeter::quality() const {
  Quality mean = sum_;
  if (mean.queries == 0) return mean;
  for (double* value :
       {&mean.recall_at_1, &mean.recall_at_5, &mean.recall_at_10, &mean.mrr, &mean.ndcg}) {
    *value /= static_cast<double>(mean.queries);
  }
  return mean;
}

}  // namespace pgmmr
