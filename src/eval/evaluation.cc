#include "eval/evaluation.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "eval/exact_ranking.h"
#include "search/search.h"
#include "store/embedding_scan.h"

namespace pgmmr {
namespace {

constexpr int kIndexSample = 1000;
// The server sums a cosine in float32, exact_ranking in double.
constexpr double kEqual = 1e-6;

Error refusal(const Collection& collection, const std::string& why) {
  return Error(ErrorKind::kInvalidArgument, fmt::format("evaluating {}: {}", collection.name, why));
}

bool asks_anything(const EvaluationPlan& plan) {
  return !plan.captions.empty() || !plan.same.empty() || !plan.judgments.empty();
}

std::vector<std::string> caption_columns(const Collection& collection, const EvaluationPlan& plan) {
  if (asks_anything(plan)) return plan.captions;
  std::vector<std::string> columns;
  for (const auto& caption : collection.captions) columns.push_back(caption.name);
  return columns;
}

void check(const Collection& collection, const EvaluationPlan& plan) {
  for (const auto* condition : {&plan.conditions.searched, &plan.conditions.asking}) {
    if (condition->find('\0') != std::string::npos || !is_utf8(*condition)) {
      throw refusal(collection, "a condition is not UTF-8 text");
    }
  }
  if (plan.sample < 1 || plan.sample > kMaxSample) {
    throw refusal(collection,
                  fmt::format("a sample of {} rows, expected 1 to {}", plan.sample, kMaxSample));
  }
  const bool by_words = plan.mode && plan.mode != RankingMode::kVector;
  if (by_words && collection.captions.empty()) {
    throw refusal(collection, fmt::format("{} mode needs captions, and the collection has none",
                                          mode_name(*plan.mode)));
  }
  if (by_words && !plan.same.empty()) {
    throw refusal(collection, fmt::format("rows with the same \"{}\" are pictures asking for "
                                          "pictures, which {} mode does not do",
                                          plan.same, mode_name(*plan.mode)));
  }
  if (!asks_anything(plan) && collection.captions.empty()) {
    throw refusal(collection,
                  "the collection has no captions, so name what asks: a column of captions, a "
                  "column that the same things share, or a file of queries");
  }
}

class Evaluator {
 public:
  Evaluator(Connection& connection, const Collection& collection, const EvaluationPlan& plan,
            const EvaluationProgress& progress)
      : connection_(connection), collection_(collection), plan_(plan), progress_(progress) {}

  // One for each mode that can answer questions of the set.
  void measure(const QuestionSet& set, std::vector<Measurement>& measurements) {
    for (const auto mode : {RankingMode::kVector, RankingMode::kKeyword, RankingMode::kHybrid}) {
      if (plan_.mode && plan_.mode != mode) continue;
      std::vector<const Question*> questions;
      for (const auto& question : set.questions) {
        if (question.answerable(mode)) questions.push_back(&question);
      }
      if (questions.empty()) {
        if (!plan_.mode) continue;
        throw refusal(collection_,
                      fmt::format("{} mode can answer no query of {}", mode_name(mode), set.name));
      }
      const Quality quality =
          mode == RankingMode::kVector ? exact(set, questions) : listed(set, questions, mode);
      measurements.push_back({set.kind, set.name, set.asked, set.able, mode, quality});
    }
  }

  IndexRecall index_recall() {
    IndexRecall found;
    found.has_index = count_collection(connection_, collection_.name).has_vector_index;
    const RowSample sample = sample_embeddings(connection_, collection_, plan_.conditions.searched,
                                               std::min(plan_.sample, kIndexSample));
    RankingQuery query;
    query.mode = RankingMode::kVector;
    query.embedding_of_text = false;
    query.limit = kDepth;
    query.where = plan_.conditions.searched;
    if (sample.rows.empty()) return found;
    query.embedding = sample.rows.front().embedding;
    found.way = ranking_way(connection_, collection_, query);
    if (!found.way.starts_with("hnsw")) return found;

    std::vector<VectorQuery> queries;
    for (const auto& row : sample.rows) queries.push_back({row.embedding, row.key});
    const auto best = scan(queries, {}, AnswersBy::kKey, "");
    std::int64_t exact = 0, found_too = 0;
    for (std::size_t i = 0; i < sample.rows.size(); ++i) {
      progress_("searching by the index", static_cast<std::int64_t>(i), size(sample.rows));
      if (best[i].other.empty()) continue;
      query.embedding = sample.rows[i].embedding;
      query.exclude_key = sample.rows[i].key;
      // Of equally near rows any will do.
      const double least = best[i].other.back() - kEqual;
      std::int64_t near = 0;
      for (const auto& hit : rank(connection_, collection_, query)) {
        near += hit.similarity && *hit.similarity >= least ? 1 : 0;
      }
      exact += size(best[i].other);
      found_too += std::min(near, size(best[i].other));
      ++found.queries;
    }
    if (exact > 0) found.recall = static_cast<double>(found_too) / static_cast<double>(exact);
    return found;
  }

 private:
  template <typename Values>
  static std::int64_t size(const Values& values) {
    return static_cast<std::int64_t>(values.size());
  }

  std::vector<BestScores> scan(const std::vector<VectorQuery>& queries, const Answers& answers,
                               AnswersBy by, const std::string& label) {
    EmbeddingScan rows(connection_, collection_, plan_.conditions.searched, label);
    return best_scores(rows, queries, answers, by, [&](std::int64_t done) {
      progress_("comparing with every row", done, rows.rows());
    });
  }

  Quality exact(const QuestionSet& set, const std::vector<const Question*>& questions) {
    const bool by_label = set.kind == QuestionKind::kSame;
    std::vector<VectorQuery> queries;
    Answers answers;
    for (const auto* question : questions) {
      const int at = static_cast<int>(queries.size());
      queries.push_back({question->query.embedding, question->query.exclude_key.value_or("")});
      if (by_label) answers[question->label].push_back(at);
      for (const auto& key : question->answers) answers[key].push_back(at);
    }
    const auto best = scan(queries, answers, by_label ? AnswersBy::kLabel : AnswersBy::kKey,
                           by_label ? set.name : "");
    QualityMeter meter;
    for (std::size_t i = 0; i < best.size(); ++i) {
      const auto answers_there = by_label ? size(best[i].right) : size(questions[i]->answers);
      meter.add(best[i].ranks(), std::max<std::int64_t>(1, answers_there));
    }
    return meter.quality();
  }

  Quality listed(const QuestionSet& set, const std::vector<const Question*>& questions,
                 RankingMode mode) {
    // Captions that are the same are one search.
    std::unordered_map<std::string, std::vector<std::string>> lists;
    const std::string doing = std::string("searching in ") + mode_name(mode) + " mode";
    QualityMeter meter;
    for (std::size_t i = 0; i < questions.size(); ++i) {
      progress_(doing, static_cast<std::int64_t>(i), size(questions));
      const Question& question = *questions[i];
      const std::string name =
          set.kind == QuestionKind::kCaption ? question.query.text : std::to_string(i);
      auto list = lists.find(name);
      if (list == lists.end()) list = lists.emplace(name, hits(question, mode)).first;
      std::vector<int> ranks;
      for (std::size_t at = 0; at < list->second.size(); ++at) {
        if (std::ranges::find(question.answers, list->second[at]) != question.answers.end()) {
          ranks.push_back(static_cast<int>(at) + 1);
        }
      }
      meter.add(ranks, size(question.answers));
    }
    return meter.quality();
  }

  std::vector<std::string> hits(const Question& question, RankingMode mode) {
    RankingQuery query = question.query;
    query.mode = mode;
    if (mode == RankingMode::kKeyword) query.embedding.clear();
    std::vector<std::string> keys;
    for (const auto& row : rank(connection_, collection_, query)) keys.push_back(row.key);
    return keys;
  }

  Connection& connection_;
  const Collection& collection_;
  const EvaluationPlan& plan_;
  const EvaluationProgress& progress_;
};

}  // namespace

bool needs_encoder(const Collection& collection, const EvaluationPlan& plan) {
  if (plan.mode == RankingMode::kKeyword) return false;
  if (!caption_columns(collection, plan).empty()) return true;
  return std::ranges::any_of(plan.judgments, [](const Judgment& one) {
    return !one.text.empty() || !one.not_text.empty() || !one.image.empty();
  });
}

Evaluation evaluate(Connection& connection, const Collection& collection, const Encoder* encoder,
                    const EvaluationPlan& plan, const EvaluationProgress& progress) {
  check(collection, plan);
  if (needs_encoder(collection, plan)) {
    if (encoder == nullptr) {
      throw Error(ErrorKind::kInternal, "evaluating: a model is needed and none was loaded");
    }
    check_model(collection, encoder->info());
  }
  Evaluation evaluation;
  evaluation.searched = count_rows(connection, collection, plan.conditions.searched);
  if (evaluation.searched == 0) {
    throw refusal(collection, plan.conditions.searched.empty()
                                  ? "there are no rows to search"
                                  : "there are no rows where " + plan.conditions.searched);
  }
  const QuestionSource source{connection,  collection, encoder, plan.conditions,
                              plan.sample, plan.mode,  progress};
  Evaluator evaluator(connection, collection, plan, progress);
  for (const auto& column : caption_columns(collection, plan)) {
    evaluator.measure(caption_questions(source, column), evaluation.measurements);
  }
  if (!plan.same.empty()) {
    evaluator.measure(partner_questions(source, plan.same), evaluation.measurements);
  }
  if (!plan.judgments.empty()) {
    evaluator.measure(judged_questions(source, plan.judgments, plan.judgments_name),
                      evaluation.measurements);
  }
  if (plan.mode != RankingMode::kKeyword) evaluation.index = evaluator.index_recall();
  return evaluation;
}

}  // namespace pgmmr
