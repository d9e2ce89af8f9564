#include "app/evaluation_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "app/csv_field.h"
#include "app/hit_format.h"
#include "app/progress.h"

namespace pgmmr {
namespace {

using Json = nlohmann::ordered_json;

const char* by(QuestionKind kind) {
  switch (kind) {
    case QuestionKind::kCaption:
      return "caption";
    case QuestionKind::kSame:
      return "same";
    case QuestionKind::kJudged:
      return "queries";
  }
  return "";
}

std::string title(const Measurement& one) {
  return one.kind == QuestionKind::kSame ? "same " + one.name : one.name;
}

double six_digits(double value) { return std::stod(fmt::format("{:.6g}", value)); }

std::string index_sentence(const IndexRecall& index) {
  if (index.queries > 0) {
    return fmt::format(
        "index: HNSW finds {:.1f} % of the exact ten nearest ({} stored pictures "
        "asked)\n",
        100 * index.recall, grouped(index.queries));
  }
  return index.has_index ? "index: there is one, but so few rows are searched exactly\n"
                         : "index: none, search is exact\n";
}

}  // namespace

std::string evaluation_as_table(const Collection& collection, const Evaluation& evaluation) {
  int name_width = 5;
  for (const auto& one : evaluation.measurements) {
    name_width = std::max(name_width, display_width(title(one)));
  }
  std::string table = fmt::format("{}: {} pictures searched, model {}\n\n", collection.name,
                                  grouped(evaluation.searched), collection.model_id);
  table += fmt::format("{:<{}}  {:<7}  {:>7}  {:>8}  {:>5}  {:>5}  {:>6}  {:>7}\n", "QUERY",
                       name_width, "MODE", "QUERIES", "RECALL@1", "@5", "@10", "MRR@10", "NDCG@10");
  std::string before, notes;
  for (const auto& one : evaluation.measurements) {
    // Said once, as in a table on paper.
    const std::string name = title(one) == before ? "" : title(one);
    if (!name.empty() && one.asked < one.able) {
      notes += one.kind == QuestionKind::kJudged
                   ? fmt::format("{}: {} of its {} queries have an answer among these pictures\n",
                                 name, grouped(one.asked), grouped(one.able))
                   : fmt::format("{}: a sample of {} of the {} rows that can ask\n", name,
                                 grouped(one.asked), grouped(one.able));
    }
    before = title(one);
    const auto fill = static_cast<std::size_t>(std::max(0, name_width - display_width(name)));
    const Quality& quality = one.quality;
    table += fmt::format("{}{}  {:<7}  {:>7}  {:>8.3f}  {:.3f}  {:.3f}  {:>6.3f}  {:>7.3f}\n", name,
                         std::string(fill, ' '), mode_name(one.mode), grouped(quality.queries),
                         quality.recall_at_1, quality.recall_at_5, quality.recall_at_10,
                         quality.mrr, quality.ndcg);
  }
  if (evaluation.index) notes += index_sentence(*evaluation.index);
  return notes.empty() ? table : table + "\n" + notes;
}

std::string evaluation_as_json(const Collection& collection, const EvaluationPlan& plan,
                               const Evaluation& evaluation) {
  Json json;
  json["collection"] = collection.name;
  json["model"] = collection.model_id;
  json["searched"] = evaluation.searched;
  if (!plan.conditions.searched.empty()) json["where"] = plan.conditions.searched;
  if (!plan.conditions.asking.empty()) json["of"] = plan.conditions.asking;
  json["results"] = Json::array();
  for (const auto& one : evaluation.measurements) {
    json["results"].push_back({{"by", by(one.kind)},
                               {"name", one.name},
                               {"mode", mode_name(one.mode)},
                               {"queries", one.quality.queries},
                               {"asked", one.asked},
                               {"able", one.able},
                               {"recall@1", six_digits(one.quality.recall_at_1)},
                               {"recall@5", six_digits(one.quality.recall_at_5)},
                               {"recall@10", six_digits(one.quality.recall_at_10)},
                               {"mrr@10", six_digits(one.quality.mrr)},
                               {"ndcg@10", six_digits(one.quality.ndcg)}});
  }
  json["index"] = Json();
  if (const auto& index = evaluation.index) {
    const bool measured = index->queries > 0;
    json["index"] = {{"there", index->has_index},
                     {"way", index->way},
                     {"queries", index->queries},
                     {"recall@10", measured ? Json(six_digits(index->recall)) : Json()}};
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string evaluation_as_csv(const Evaluation& evaluation) {
  std::string text =
      "by,name,mode,searched,queries,asked,able,recall@1,recall@5,recall@10,mrr@10,ndcg@10\r\n";
  for (const auto& one : evaluation.measurements) {
    const Quality& quality = one.quality;
    text += fmt::format("{},{},{},{},{},{},{},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g}\r\n", by(one.kind),
                        csv_field(one.name), mode_name(one.mode), evaluation.searched,
                        quality.queries, one.asked, one.able, quality.recall_at_1,
                        quality.recall_at_5, quality.recall_at_10, quality.mrr, quality.ndcg);
  }
  if (evaluation.index && evaluation.index->queries > 0) {
    text += fmt::format("index,{},vector,{},{},,,,,{:.6g},,\r\n", evaluation.index->way,
                        evaluation.searched, evaluation.index->queries, evaluation.index->recall);
  }
  return text;
}

}  // namespace pgmmr
