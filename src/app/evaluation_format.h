// An evaluation for a shell: a table, one JSON object, CSV.
#pragma once

#include <string>

#include "eval/evaluation.h"
#include "store/collection.h"

namespace pgmmr {

// A line a column that asked and mode, under a heading; then what the index finds, and which of
// them were a sample.
std::string evaluation_as_table(const Collection& collection, const Evaluation& evaluation);

// {"collection","model","searched","where","of","results":[{"by","name","mode","queries","asked",
// "able","recall@1","recall@5","recall@10","mrr@10","ndcg@10"}],"index":{…}}; by is caption, same
// or queries. index is null where vectors were not looked at; its recall@10 is null where search is
// exact.
std::string evaluation_as_json(const Collection& collection, const EvaluationPlan& plan,
                               const Evaluation& evaluation);

// RFC 4180 with a header, the same fields; the index is a line of its own, "index".
std::string evaluation_as_csv(const Evaluation& evaluation);

}  // namespace pgmmr
