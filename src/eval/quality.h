// Where the right answers stand among the ten best hits, to figures of merit.
//
// recall@k is CLIP's (Radford et al. 2021, after Flickr30k's protocol): the share of queries with a
// right answer among the first k. MRR counts the first right answer's reciprocal rank, nDCG is
// binary (Järvelin and Kekäläinen 2002). All three look at ten hits, as the commands show: a right
// answer further down counts as none. Proven against figures worked out by hand.
#pragma once

#include <cstdint>
#include <span>

namespace pgmmr {

// How many of the best hits are looked at.
inline constexpr int kDepth = 10;

// Means over the queries, 0 to 1; all 0 where there were none.
struct Quality {
  std::int64_t queries = 0;
  double recall_at_1 = 0, recall_at_5 = 0, recall_at_10 = 0;
  double mrr = 0, ndcg = 0;
};

class QualityMeter {
 public:
  // One query.
  //   ranks    of the right answers among the first kDepth hits, from 1, rising
  //   answers  right answers there are in all, 1 or more
  void add(std::span<const int> ranks, std::int64_t answers);

  Quality quality() const;

 private:
  Quality sum_;
};

}  // namespace pgmmr
