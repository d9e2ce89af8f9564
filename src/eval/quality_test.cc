// Expected figures are worked out by hand: 1/log2(2) = 1, 1/log2(3) = 0.63093, 1/log2(4) = 0.5,
// 1/log2(6) = 0.38685, 1/log2(11) = 0.28906.
#include "eval/quality.h"

#include <gtest/gtest.h>

#include <vector>

namespace pgmmr {
namespace {

TEST(Quality, AveragesOverTheQueries) {
  QualityMeter meter;
  meter.add(std::vector<int>{1}, 1);
  meter.add(std::vector<int>{2}, 1);
  meter.add(std::vector<int>{5}, 1);
  meter.add(std::vector<int>{10}, 1);
  meter.add({}, 1);
  const Quality found = meter.quality();
  EXPECT_EQ(found.queries, 5);
  EXPECT_DOUBLE_EQ(found.recall_at_1, 0.2);
  EXPECT_DOUBLE_EQ(found.recall_at_5, 0.6);
  EXPECT_DOUBLE_EQ(found.recall_at_10, 0.8);
  EXPECT_DOUBLE_EQ(found.mrr, (1 + 0.5 + 0.2 + 0.1) / 5);
  EXPECT_NEAR(found.ndcg, (1 + 0.63093 + 0.38685 + 0.28906) / 5, 1e-5);
}

TEST(Quality, CountsTheFirstOfSeveralAnswersAndGainsFromAll) {
  QualityMeter meter;
  meter.add(std::vector<int>{1, 3}, 3);
  const Quality found = meter.quality();
  EXPECT_DOUBLE_EQ(found.recall_at_1, 1);
  EXPECT_DOUBLE_EQ(found.mrr, 1);
  EXPECT_NEAR(found.ndcg, (1 + 0.5) / (1 + 0.63093 + 0.5), 1e-5);
}

// More right answers than places: a full list is perfect.
TEST(Quality, AFullListIsPerfect) {
  QualityMeter meter;
  meter.add(std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 200);
  EXPECT_DOUBLE_EQ(meter.quality().ndcg, 1);
}

TEST(Quality, LooksAtTenHits) {
  QualityMeter meter;
  meter.add(std::vector<int>{11}, 1);
  meter.add(std::vector<int>{10, 11}, 2);
  const Quality found = meter.quality();
  EXPECT_DOUBLE_EQ(found.recall_at_10, 0.5);
  EXPECT_DOUBLE_EQ(found.mrr, 0.05);
  EXPECT_NEAR(found.ndcg, 0.28906 / (1 + 0.63093) / 2, 1e-5);
  EXPECT_EQ(QualityMeter().quality().queries, 0);
  EXPECT_EQ(QualityMeter().quality().ndcg, 0);
}

}  // namespace
}  // namespace pgmmr
