// Search over 200,000 synthetic rows: which index answers, what it costs in recall, and how the way
// follows the filter. Vectors are clustered as CLIP's are (2,000 clusters). What is tested depends
// on the number of rows, so 32 dimensions and a sparser graph than finish_indexes builds (which
// embedded_server_test looks at) keep the test short.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <set>

#include "store/binary_format.h"
#include "store/ranking.h"
#include "support/database.h"

namespace pgmmr {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

constexpr int kRows = 200'000;
constexpr int kDim = 32;
constexpr int kClusters = 2'000;

class Pictures {
 public:
  Pictures() : centres_(kClusters) {
    for (auto& centre : centres_) centre = direction();
    rows_.reserve(kRows);
    for (int i = 0; i < kRows; ++i) rows_.push_back(near(centres_[random_() % kClusters]));
  }
  const std::vector<float>& row(int i) const { return rows_[static_cast<std::size_t>(i)]; }
  std::vector<float> query() { return near(centres_[random_() % kClusters]); }

  // The best keys by brute force.
  std::set<std::string> best(const std::vector<float>& query, std::size_t limit) const {
    std::vector<std::pair<float, int>> scores;
    for (int i = 0; i < kRows; ++i) {
      scores.emplace_back(-std::inner_product(query.begin(), query.end(), row(i).begin(), 0.0F), i);
    }
    std::partial_sort(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(limit),
                      scores.end());
    std::set<std::string> keys;
    for (std::size_t i = 0; i < limit; ++i) keys.insert(key(scores[i].second));
    return keys;
  }
  static std::string key(int i) { return fmt::format("picture/{:06}", i); }

 private:
  std::vector<float> direction() {
    std::vector<float> values(kDim);
    for (auto& value : values) value = normal_(random_);
    return unit(values);
  }
  std::vector<float> near(const std::vector<float>& centre) {
    auto values = direction();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = centre[i] + 0.7F * values[i];
    return unit(values);
  }
  static std::vector<float> unit(std::vector<float> values) {
    const float length =
        std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0F));
    for (auto& value : values) value /= length;
    return values;
  }

  std::mt19937 random_{20261122};
  std::normal_distribution<float> normal_;
  std::vector<std::vector<float>> centres_, rows_;
};

// "photo" stands in all captions, "shape i" in ever fewer: words are as unequal as in a language.
std::string caption(int i) {
  return fmt::format("a photo of the {} {} thing{}", i % 3 == 0 ? "red" : "plain",
                     i % 50 == 0 ? "round" : "flat", i % 5000);
}

void fill(Connection& connection, const Pictures& pictures) {
  constexpr int kBatch = 20'000;
  for (int from = 0; from < kRows; from += kBatch) {
    std::string data("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
    for (int i = from; i < from + kBatch; ++i) {
      append_int16(data, 7);
      append_field(data, Pictures::key(i));
      append_cell(data, CellType::kText, caption(i));
      append_cell(data, CellType::kBigint, std::int64_t{i});
      append_field(data, "file:///p.png");
      append_cell(data, CellType::kInteger, std::int64_t{1});
      append_cell(data, CellType::kInteger, std::int64_t{1});
      std::string embedding;
      append_halfvec(embedding, pictures.row(i));
      append_field(data, embedding);
    }
    append_int16(data, -1);
    connection.copy_in(
        "COPY big (key, caption, n, image_uri, width, height, embedding) FROM STDIN (FORMAT "
        "binary)",
        data);
  }
}

std::string explain(Connection& connection, const std::string& arguments, const Param& embedding) {
  const Result lines = connection.execute(
      "SELECT * FROM pgmmr.explain_search('big', query_embedding => $1, " + arguments + ")",
      {embedding});
  std::string text;
  for (int row = 0; row < lines.rows(); ++row) text += std::string(lines.text(row, 0)) + "\n";
  return text;
}

double milliseconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  return took.count();
}

TEST(RankingAtScale, HybridSearchUsesBothIndexesAndFiltersChooseTheWay) {
  const test::TemporaryDatabase database;
  Connection connection = database.connect();
  Collection collection;
  collection.name = "big";
  collection.model_id = "demo";
  collection.dim = kDim;
  collection.columns = {{"caption", "text"}, {"n", "bigint"}};
  collection.captions = {{"caption", "english"}};
  create_collection(connection, collection);
  collection = get_collection(connection, "big");
  Pictures pictures;
  fmt::print("copy of {} rows: {:.0f} ms\n", kRows,
             milliseconds([&] { fill(connection, pictures); }));
  connection.execute("SET maintenance_work_mem = '512MB'");
  connection.execute(
      "CREATE INDEX big_embedding_idx ON big USING hnsw (embedding halfvec_ip_ops) WITH (m = 8, "
      "ef_construction = 40)");
  fmt::print("indexes: {:.0f} ms\n", milliseconds([&] { finish_indexes(connection, "big"); }));
  EXPECT_TRUE(count_collection(connection, "big").has_vector_index);
  EXPECT_EQ(count_collection(connection, "big").rows, kRows);

  const auto query = pictures.query();
  const auto embedding = Param::halfvec(query);
  const auto hybrid = explain(connection, "query_text => 'red thing42'", embedding);
  EXPECT_THAT(hybrid, HasSubstr("Index Scan using big_embedding_idx"));
  EXPECT_THAT(hybrid, HasSubstr("Bitmap Index Scan on big_caption_tsv_idx"));
  EXPECT_THAT(hybrid, HasSubstr("way: hnsw,"));
  EXPECT_THAT(explain(connection, "\"where\" => 'n % 2 = 0 OR n < 180000'", embedding),
              AllOf(HasSubstr("way: hnsw filtered"), HasSubstr("relaxed_order")));
  // Less than a tenth passes: exact on what passes.
  EXPECT_THAT(explain(connection, "\"where\" => 'n < 15000'", embedding),
              AllOf(HasSubstr("way: exact"), Not(HasSubstr("big_embedding_idx"))));

  // A filter whose estimate is far off leaves no hole: the answer is the exact one.
  const auto misjudged = rank(connection, collection,
                              {.mode = RankingMode::kVector,
                               .embedding = query,
                               .where = "abs(n - 100000) < 3 AND n > 0 OR n < -5 AND n % 7 <> 8"});
  EXPECT_EQ(misjudged.size(), 5u);

  double found = 0, slowest = 0, total = 0;
  constexpr int kQueries = 40;
  constexpr std::size_t kLimit = 10;
  for (int i = 0; i < kQueries; ++i) {
    const auto one = pictures.query();
    std::vector<RankedRow> hits;
    const double took = milliseconds([&] {
      hits = rank(connection, collection,
                  {.mode = RankingMode::kVector, .embedding = one, .embedding_of_text = false});
    });
    slowest = std::max(slowest, took);
    total += took;
    const auto best = pictures.best(one, kLimit);
    for (const auto& hit : hits) found += best.contains(hit.key) ? 1 : 0;
  }
  const double recall = found / (kQueries * kLimit);
  fmt::print("recall@10 {:.3f}, vector search mean {:.2f} ms, slowest {:.2f} ms\n", recall,
             total / kQueries, slowest);
  EXPECT_GE(recall, 0.9);

  for (const char* text : {"thing42", "red thing42", "photo", "red round"}) {
    double sum = 0;
    for (int i = 0; i < 20; ++i) {
      const auto one = pictures.query();
      sum += milliseconds([&] {
        const auto hits = rank(connection, collection,
                               {.mode = RankingMode::kHybrid, .embedding = one, .text = text});
        EXPECT_EQ(hits.size(), 10u);
      });
    }
    fmt::print("hybrid \"{}\": mean {:.2f} ms\n", text, sum / 20);
  }
  // More candidates than ef_search may be.
  EXPECT_EQ(rank(connection, collection,
                 {.mode = RankingMode::kVector, .embedding = query, .limit = 3000})
                .size(),
            3000u);
}

}  // namespace
}  // namespace pgmmr
