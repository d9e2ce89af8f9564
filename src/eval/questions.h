// Rows of a collection, or judged queries, to questions: queries as search would rank them, each
// with its right answers.
//
// A question of a caption column is the caption, its answer the row itself. A question of partners
// is a row's stored embedding, its answers the other rows with the same value in a column. A judged
// question names its answers. Texts are encoded once each, in batches, on all cores.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "clip/encoder.h"
#include "eval/judgments.h"
#include "store/collection.h"
#include "store/connection.h"
#include "store/ranking.h"
#include "store/row_sample.h"

namespace pgmmr {

struct Question {
  RankingQuery query;                // what the modes to be measured need
  bool words_alone = false;          // nothing but text: keyword search can answer it
  std::vector<std::string> answers;  // keys of rows that are searched; empty where a label says it
  std::string label;                 // that the answers share

  // What search does not refuse.
  bool answerable(RankingMode mode) const;
};

enum class QuestionKind { kCaption, kSame, kJudged };

struct QuestionSet {
  QuestionKind kind = QuestionKind::kCaption;
  std::string name;                 // the column, or the file
  std::int64_t asked = 0;           // rows that ask, or judged queries
  std::int64_t able = 0;            // that could have asked; more than `asked` where a sample does
  std::vector<Question> questions;  // one a row, a text of a list of captions, a judged query
};

// Told how far it is, about every tenth of a second of work; may throw to stop.
using EvaluationProgress =
    std::function<void(const std::string& doing, std::int64_t done, std::int64_t expected)>;

struct QuestionSource {
  Connection& connection;
  const Collection& collection;
  const Encoder* encoder;  // null with keyword mode, and where only stored rows ask
  SampleConditions conditions;
  int sample = 0;                   // rows that ask, at most
  std::optional<RankingMode> mode;  // nothing for all
  const EvaluationProgress& progress;
};

// All three:
//   throws  Error{kInvalidArgument} for a column that the collection has not, or not as text, for a
//           condition that the server refuses and where nothing can ask

QuestionSet caption_questions(const QuestionSource& source, const std::string& column);
QuestionSet partner_questions(const QuestionSource& source, const std::string& column);

// Judged queries none of whose answers is searched don't ask.
//   throws  Error{kNotFound} too, for a key that the collection has not and a picture that isn't
//           there; what a query is refused for names its line
QuestionSet judged_questions(const QuestionSource& source, const std::vector<Judgment>& judgments,
                             const std::string& name);

}  // namespace pgmmr
