// How well search finds what it should, on a collection's own rows or on judged queries.
//
// Vector mode is ranked exactly (eval/exact_ranking.h) and says what the model can do; keyword and
// hybrid mode are the lists that search itself gives. What an approximate index loses against exact
// search is measured apart. Proven on a collection whose every rank is known by construction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "clip/encoder.h"
#include "eval/judgments.h"
#include "eval/quality.h"
#include "eval/questions.h"
#include "store/collection.h"
#include "store/connection.h"
#include "store/ranking.h"

namespace pgmmr {

inline constexpr int kMaxSample = 20'000;

struct EvaluationPlan {
  // What asks. Where all three are empty, the collection's own captions do.
  std::vector<std::string> captions;  // columns whose text asks for its own row
  std::string same;                   // a column: rows ask for others with the same value
  std::vector<Judgment> judgments;
  std::string judgments_name;  // their file's, for messages and results

  std::optional<RankingMode> mode;  // nothing: each that the collection and the questions allow
  SampleConditions conditions;      // asking empty: all that are searched
  int sample = 1000;                // rows that ask, at most; 1 to kMaxSample
};

struct Measurement {
  QuestionKind kind = QuestionKind::kCaption;
  std::string name;        // the column or the file that asked
  std::int64_t asked = 0;  // rows, or judged queries
  std::int64_t able = 0;   // that could have asked
  RankingMode mode = RankingMode::kVector;
  Quality quality;
};

// What search by the index finds of the exact ten nearest of stored pictures, themselves apart.
struct IndexRecall {
  bool has_index = false;
  std::string way;           // as ranking_way()
  std::int64_t queries = 0;  // 0 where search is exact, and recall nothing to measure
  double recall = 0;
};

struct Evaluation {
  std::int64_t searched = 0;  // rows
  std::vector<Measurement> measurements;
  std::optional<IndexRecall> index;  // nothing with keyword mode
};

// False for what needs no model: keywords alone, stored rows that ask.
bool needs_encoder(const Collection& collection, const EvaluationPlan& plan);

//   encoder  of the collection's model; may be null where needs_encoder() says so
//   throws   Error{kConflict} naming both models where it isn't, kInvalidArgument for columns,
//            conditions, modes and queries that make no sense here and where there is nothing to
//            search, kNotFound for keys and pictures that aren't there
Evaluation evaluate(Connection& connection, const Collection& collection, const Encoder* encoder,
                    const EvaluationPlan& plan, const EvaluationProgress& progress);

}  // namespace pgmmr
