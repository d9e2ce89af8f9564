// One scan and a matrix product against the plain way: every pair's cosine, counted.
#include "eval/exact_ranking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "eval/quality.h"
#include "store/binary_format.h"
#include "store/ledger.h"
#include "support/database.h"

namespace pgmmr {
namespace {

using testing::ElementsAre;

constexpr int kDim = 24;
constexpr int kRows = 1300;     // three blocks
constexpr int kQueries = 1100;  // two products

std::vector<float> half(std::vector<float> values) {
  for (float& value : values) value = from_half(to_half(value));
  return values;
}

std::vector<float> unit(std::vector<float> values) {
  double length = 0;
  for (const float value : values) length += static_cast<double>(value) * value;
  for (float& value : values) value /= static_cast<float>(std::sqrt(length));
  return values;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// Row n has label n % 100, and each row is there twice.
class ExactRanking : public testing::Test {
 protected:
  ExactRanking() {
    collection_.name = "random";
    collection_.dim = kDim;
    collection_.columns = {{"label", "bigint"}};
    create_collection(connection_, collection_);
    collection_ = get_collection(connection_, "random");
    plan_chunks(connection_, "random", "s", {{"1", "{}", kRows}});
    auto claim = ChunkClaim::next(connection_, collection_, "s");
    std::vector<StoredRow> stored;
    for (int n = 0; n < kRows; ++n) {
      rows_.push_back(n < kRows / 2 ? half(unit(random())) : rows_[n - kRows / 2]);
      StoredRow row;
      row.key = key(n);
      row.values.emplace_back(std::int64_t{n % 100});
      row.image_uri = "/x";
      row.width = row.height = 1;
      row.embedding = rows_.back();
      stored.push_back(std::move(row));
    }
    claim->store(stored);
    claim->done();
  }

  static std::string key(int n) { return "row/" + std::to_string(n); }

  std::vector<float> random() {
    std::vector<float> values(kDim);
    for (float& value : values) value = normal_(random_);
    return values;
  }

  // Near row n, so that ranks are small and close.
  std::vector<float> near(int n) {
    auto values = random();
    for (int i = 0; i < kDim; ++i) {
      values[i] = rows_[n][i] + 0.3F * values[i];
    }
    return unit(values);
  }

  std::mt19937 random_{20261123};
  std::normal_distribution<float> normal_;
  std::vector<std::vector<float>> rows_;
  test::TemporaryDatabase database_;
  Connection connection_ = database_.connect();
  Collection collection_;
};

TEST_F(ExactRanking, CountsTheRowsThatAreStrictlyBetter) {
  std::vector<VectorQuery> queries;
  Answers answers;
  for (int q = 0; q < kQueries; ++q) {
    queries.push_back({near(q), ""});
    answers[key(q)].push_back(q);
  }
  EmbeddingScan scan(connection_, collection_, "");
  std::int64_t seen = 0;
  const auto found =
      best_scores(scan, queries, answers, AnswersBy::kKey, [&](std::int64_t rows) { seen = rows; });
  EXPECT_EQ(seen, kRows);
  ASSERT_EQ(found.size(), queries.size());
  int first = 0, missing = 0;
  for (int q = 0; q < kQueries; ++q) {
    const auto query = half(queries[q].embedding);
    const double own = dot(query, rows_[q]);
    int better = 0;
    for (const auto& row : rows_) better += dot(query, row) > own ? 1 : 0;
    if (better < kDepth) {
      ASSERT_THAT(found[q].ranks(), ElementsAre(better + 1)) << q;
    } else {
      ASSERT_THAT(found[q].ranks(), testing::IsEmpty()) << q;
    }
    first += better == 0 ? 1 : 0;
    missing += better >= kDepth ? 1 : 0;
  }
  // The queries are neither all easy nor all hopeless.
  EXPECT_GT(first, 100);
  EXPECT_LT(first, kQueries);
  EXPECT_GT(missing, 0);
}

TEST_F(ExactRanking, RanksByLabelWithoutTheRowItself) {
  std::vector<VectorQuery> queries;
  Answers answers;
  for (int q = 0; q < 60; ++q) {
    queries.push_back({rows_[q], key(q)});
    answers[std::to_string(q % 100)].push_back(q);
  }
  EmbeddingScan scan(connection_, collection_, "label < 50", "label");
  const auto found = best_scores(scan, queries, answers, AnswersBy::kLabel, [](std::int64_t) {});
  for (int q = 0; q < 60; ++q) {
    std::vector<std::pair<double, int>> order;  // answers before others of the same score
    for (int n = 0; n < kRows; ++n) {
      if (n != q && n % 100 < 50) order.emplace_back(-dot(rows_[q], rows_[n]), n % 100 != q);
    }
    std::ranges::sort(order);
    std::vector<int> expected;
    for (int at = 0; at < kDepth; ++at) {
      if (order[at].second == 0) expected.push_back(at + 1);
    }
    ASSERT_EQ(found[q].ranks(), expected) << q;
    // Of labels that are not searched nothing is right.
    if (q >= 50) {
      EXPECT_TRUE(found[q].right.empty());
    }
  }
}

}  // namespace
}  // namespace pgmmr
