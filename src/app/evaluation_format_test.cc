#include "app/evaluation_format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pgmmr {
namespace {

Evaluation example() {
  Evaluation evaluation;
  evaluation.searched = 5458;
  evaluation.measurements = {
      {QuestionKind::kCaption,
       "text_zh",
       1000,
       5458,
       RankingMode::kVector,
       {1000, 0.5, 0.75, 0.8125, 0.6, 0.65}},
      {QuestionKind::kCaption, "text_zh", 1000, 5458, RankingMode::kHybrid, {1000, 1, 1, 1, 1, 1}},
      {QuestionKind::kSame, "名,字", 503, 503, RankingMode::kVector, {503, 1.0 / 3, 0, 0, 0, 0}},
      {QuestionKind::kJudged, "q.jsonl", 2, 3, RankingMode::kVector, {2, 0, 0, 0, 0, 0}}};
  evaluation.index = IndexRecall{true, "hnsw", 1000, 0.98349};
  return evaluation;
}

Collection collection() {
  Collection made;
  made.name = "emoji";
  made.model_id = "demo";
  return made;
}

TEST(EvaluationFormat, TableHasALineAMode) {
  EXPECT_EQ(evaluation_as_table(collection(), example()),
            "emoji: 5,458 pictures searched, model demo\n"
            "\n"
            "QUERY       MODE     QUERIES  RECALL@1     @5    @10  MRR@10  NDCG@10\n"
            "text_zh     vector     1,000     0.500  0.750  0.812   0.600    0.650\n"
            "            hybrid     1,000     1.000  1.000  1.000   1.000    1.000\n"
            "same 名,字  vector       503     0.333  0.000  0.000   0.000    0.000\n"
            "q.jsonl     vector         2     0.000  0.000  0.000   0.000    0.000\n"
            "\n"
            "text_zh: a sample of 1,000 of the 5,458 rows that can ask\n"
            "q.jsonl: 2 of its 3 queries have an answer among these pictures\n"
            "index: HNSW finds 98.3 % of the exact ten nearest (1,000 stored pictures asked)\n");
}

TEST(EvaluationFormat, TableSaysWhySearchIsExact) {
  Evaluation evaluation;
  evaluation.index = IndexRecall{};
  EXPECT_NE(evaluation_as_table(collection(), evaluation).find("index: none, search is exact"),
            std::string::npos);
  evaluation.index->has_index = true;
  EXPECT_NE(evaluation_as_table(collection(), evaluation).find("index: there is one, but"),
            std::string::npos);
}

TEST(EvaluationFormat, JsonIsOneObject) {
  EvaluationPlan plan;
  plan.conditions.searched = "split = 'test'";
  Evaluation evaluation = example();
  const auto json = nlohmann::json::parse(evaluation_as_json(collection(), plan, evaluation));
  EXPECT_EQ(json.at("searched"), 5458);
  EXPECT_EQ(json.at("where").get<std::string>(), "split = 'test'");
  EXPECT_FALSE(json.contains("of"));
  ASSERT_EQ(json.at("results").size(), 4U);
  EXPECT_EQ(json.at("results").at(2).dump(),
            R"({"able":503,"asked":503,"by":"same","mode":"vector","mrr@10":0.0,"name":"名,字",)"
            R"("ndcg@10":0.0,"queries":503,"recall@1":0.333333,"recall@10":0.0,"recall@5":0.0})");
  EXPECT_EQ(json.at("index").at("recall@10"), 0.98349);
  evaluation.index->queries = 0;
  EXPECT_TRUE(nlohmann::json::parse(evaluation_as_json(collection(), plan, evaluation))
                  .at("index")
                  .at("recall@10")
                  .is_null());
}

TEST(EvaluationFormat, CsvQuotesNames) {
  Evaluation evaluation = example();
  evaluation.measurements.erase(evaluation.measurements.begin(),
                                evaluation.measurements.begin() + 2);
  evaluation.measurements.pop_back();
  EXPECT_EQ(evaluation_as_csv(evaluation),
            "by,name,mode,searched,queries,asked,able,recall@1,recall@5,recall@10,mrr@10,"
            "ndcg@10\r\n"
            "same,\"名,字\",vector,5458,503,503,503,0.333333,0,0,0,0\r\n"
            "index,hnsw,vector,5458,1000,,,,,0.98349,,\r\n");
}

}  // namespace
}  // namespace pgmmr
