// Many queries against every row of a collection at once: the best scores of the right answers and
// of all other rows, exactly.
//
// One scan of the table and one matrix product a block, instead of one search a query. The
// product's scores only choose candidates; those are computed again in double precision, the same
// way wherever a row lies, so that equal embeddings have equal scores. Proven against the plain way
// on random vectors.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/embedding_scan.h"

namespace pgmmr {

struct VectorQuery {
  std::vector<float> embedding;  // unit length; compared at half precision, as search does
  std::string exclude_key;       // a row that does not count; empty for none
};

// Which rows are right answers: those with the key, or with the label, that maps to the query.
enum class AnswersBy { kKey, kLabel };
using Answers = std::unordered_map<std::string, std::vector<int>>;  // to indexes of queries

// Cosines, falling, at most kDepth of each.
struct BestScores {
  std::vector<double> right, other;

  // The ranks of the right answers that stand among the first kDepth, from 1, rising. Of equal
  // scores a right answer comes first, as in PyTorch's (scores > own).sum().
  std::vector<int> ranks() const;
};

// Reads the scan to its end.
//   returns  one for each query
//   on_rows  called after each block with the number of rows so far; may throw to stop
std::vector<BestScores> best_scores(EmbeddingScan& scan, std::span<const VectorQuery> queries,
                                    const Answers& answers, AnswersBy by,
                                    const std::function<void(std::int64_t)>& on_rows);

}  // namespace pgmmr
