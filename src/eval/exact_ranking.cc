#include "eval/exact_ranking.h"

#include <algorithm>
#include <cstdint>
#include <functional>

#include "eval/quality.h"
#include "nn/linear.h"
#include "store/binary_format.h"

namespace pgmmr {
namespace {

// More than the product's rounding: unit vectors of half-precision values, summed in float32 over
// up to 4,000 dimensions, are off by 1e-6 as a rule and 2.4e-4 at the very worst.
constexpr double kRounding = 2.5e-4;
// Queries in one product: 1,024 x 500 scores are 2 MB.
constexpr std::size_t kQueriesAtOnce = 1024;

enum class Part : std::uint8_t { kOther, kRight, kExcluded };

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

std::vector<float> half_precision(std::span<const float> values) {
  std::vector<float> rounded;
  for (const float value : values) rounded.push_back(from_half(to_half(value)));
  return rounded;
}

// The kDepth largest of many, smallest of them first.
class Largest {
 public:
  bool takes(double score) const { return heap_.size() < kDepth || score > heap_.front(); }
  // What a score must come near to be worth computing exactly.
  double floor() const { return heap_.size() < kDepth ? -2 : heap_.front() - kRounding; }
  void add(double score) {
    if (!takes(score)) return;
    if (heap_.size() == kDepth) {
      std::ranges::pop_heap(heap_, std::greater());
      heap_.pop_back();
    }
    heap_.push_back(score);
    std::ranges::push_heap(heap_, std::greater());
  }
  std::vector<double> falling() const {
    std::vector<double> scores = heap_;
    std::ranges::sort(scores, std::greater());
    return scores;
  }

 private:
  std::vector<double> heap_;
};

// Some of the queries: their embeddings as the weights of one product.
class Batch {
 public:
  Batch(std::span<const VectorQuery> queries, std::size_t first, std::size_t count, int dim)
      : first_(first),
        values_(flat(queries.subspan(first, count), dim)),
        product_({.in = dim, .out = static_cast<int>(count), .bias = false}, {values_, {}}),
        right_(count),
        other_(count) {}

  void add(const EmbeddingBlock& block, const std::vector<std::vector<int>>& right,
           const std::vector<std::vector<int>>& excluded) {
    const auto rows = block.keys.size();
    const auto dim = static_cast<std::size_t>(product_.in());
    const auto count = right_.size();
    embeddings_.reshape(Number::kF32, static_cast<int>(rows), product_.in());
    std::ranges::copy(block.embeddings, embeddings_.row<float>(0));
    product_.forward(embeddings_, scores_);
    std::vector<Part> parts(count);
    for (std::size_t row = 0; row < rows; ++row) {
      std::ranges::fill(parts, Part::kOther);
      mark(parts, right[row], Part::kRight);
      mark(parts, excluded[row], Part::kExcluded);
      const std::span embedding(block.embeddings.data() + row * dim, dim);
      const auto scores = scores_.row(static_cast<int>(row));
      for (std::size_t q = 0; q < count; ++q) {
        if (parts[q] == Part::kExcluded) continue;
        Largest& best = parts[q] == Part::kRight ? right_[q] : other_[q];
        if (scores[q] < best.floor()) continue;
        best.add(dot(std::span<const float>(values_).subspan(q * dim, dim), embedding));
      }
    }
  }

  void append_to(std::vector<BestScores>& all) const {
    for (std::size_t q = 0; q < right_.size(); ++q) {
      all.push_back({right_[q].falling(), other_[q].falling()});
    }
  }

 private:
  static std::vector<float> flat(std::span<const VectorQuery> queries, int dim) {
    std::vector<float> values;
    values.reserve(queries.size() * static_cast<std::size_t>(dim));
    for (const auto& query : queries) {
      const auto rounded = half_precision(query.embedding);
      values.insert(values.end(), rounded.begin(), rounded.end());
    }
    return values;
  }

  void mark(std::vector<Part>& parts, const std::vector<int>& queries, Part part) const {
    for (const int query : queries) {
      const auto at = static_cast<std::size_t>(query) - first_;  // wraps round below first_
      if (at < parts.size()) parts[at] = part;
    }
  }

  std::size_t first_;
  std::vector<float> values_;
  Linear product_;
  std::vector<Largest> right_, other_;
  Activations embeddings_;
  Matrix scores_;
};

}  // namespace

std::vector<int> BestScores::ranks() const {
  std::vector<int> ranks;
  for (const double score : right) {
    const auto better = std::ranges::count_if(other, [&](double one) { return one > score; });
    const int rank = static_cast<int>(better) + static_cast<int>(ranks.size()) + 1;
    if (rank > kDepth) break;
    ranks.push_back(rank);
  }
  return ranks;
}

std::vector<BestScores> best_scores(EmbeddingScan& scan, std::span<const VectorQuery> queries,
                                    const Answers& answers, AnswersBy by,
                                    const std::function<void(std::int64_t)>& on_rows) {
  std::vector<BestScores> all;
  if (queries.empty()) return all;
  const auto dim = static_cast<int>(queries.front().embedding.size());
  std::vector<Batch> batches;
  Answers excluded_by_key;
  for (std::size_t first = 0; first < queries.size(); first += kQueriesAtOnce) {
    batches.emplace_back(queries, first, std::min(kQueriesAtOnce, queries.size() - first), dim);
  }
  for (std::size_t q = 0; q < queries.size(); ++q) {
    if (queries[q].exclude_key.empty()) continue;
    excluded_by_key[queries[q].exclude_key].push_back(static_cast<int>(q));
  }
  const auto queries_of = [](const Answers& map, const std::string& value) {
    const auto found = map.find(value);
    return found == map.end() ? std::vector<int>{} : found->second;
  };
  std::int64_t rows = 0;
  for (auto block = scan.next(); !block.keys.empty(); block = scan.next()) {
    std::vector<std::vector<int>> right(block.keys.size()), excluded(block.keys.size());
    for (std::size_t row = 0; row < block.keys.size(); ++row) {
      excluded[row] = queries_of(excluded_by_key, block.keys[row]);
      if (by == AnswersBy::kKey) {
        right[row] = queries_of(answers, block.keys[row]);
      } else if (block.labels[row]) {
        right[row] = queries_of(answers, *block.labels[row]);
      }
    }
    for (auto& batch : batches) batch.add(block, right, excluded);
    rows += static_cast<std::int64_t>(block.keys.size());
    on_rows(rows);
  }
  for (const auto& batch : batches) batch.append_to(all);
  return all;
}

}  // namespace pgmmr
