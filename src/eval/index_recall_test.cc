// What an index loses, against search by SQL with and without it. 21,000 random rows, since fewer
// are searched exactly, and a graph so sparse that it does lose some.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <set>

#include "eval/evaluation.h"
#include "support/database.h"

namespace pgmmr {
namespace {

constexpr int kRows = 21'000;
constexpr int kDim = 16;

TEST(IndexRecall, IsTheShareOfTheExactTenThatSearchFinds) {
  const test::TemporaryDatabase database;
  Connection connection = database.connect();
  Collection collection;
  collection.name = "many";
  collection.model_id = "none";
  collection.dim = kDim;
  collection.columns = {{"same", "bigint"}};
  create_collection(connection, collection);
  collection = get_collection(connection, "many");
  connection.run_script(
      fmt::format("SELECT setseed(0.5); "
                  "INSERT INTO many (key, same, image_uri, width, height, embedding) "
                  "SELECT 'row/' || n, n, '/x', 1, 1, "
                  "l2_normalize(array_agg(random() - 0.5)::real[]::vector)::halfvec "
                  "FROM generate_series(1, {}) AS n, generate_series(1, {}) GROUP BY n; "
                  "UPDATE many SET same = 1 WHERE same < 3; ANALYZE many",
                  kRows, kDim));
  EvaluationPlan plan;
  plan.same = "same";
  plan.sample = 40;
  const auto measured = [&] {
    return evaluate(connection, collection, nullptr, plan,
                    [](const std::string&, std::int64_t, std::int64_t) {})
        .index.value();
  };
  const IndexRecall without = measured();
  EXPECT_FALSE(without.has_index);
  EXPECT_EQ(without.queries, 0);

  connection.run_script(
      "SET max_parallel_maintenance_workers = 0; "
      "CREATE INDEX ON many USING hnsw (embedding halfvec_ip_ops) "
      "WITH (m = 4, ef_construction = 16)");
  const IndexRecall found = measured();
  EXPECT_TRUE(found.has_index);
  EXPECT_EQ(found.way, "hnsw");
  EXPECT_EQ(found.queries, 40);

  const auto keys = [&](const std::string& sql, const std::string& key) {
    const Result result = connection.execute(sql, {Param::text(key)});
    std::set<std::string> all;
    for (int row = 0; row < result.rows(); ++row) all.emplace(result.text(row, 0));
    return all;
  };
  const Result asking =
      connection.execute("SELECT key FROM many ORDER BY sha256(convert_to(key, 'UTF8')) LIMIT 40");
  int common = 0;
  for (int row = 0; row < asking.rows(); ++row) {
    const std::string key(asking.text(row, 0));
    const auto exact = keys(
        "SELECT a.key FROM many AS a, many AS q WHERE q.key = $1 AND a.key <> $1 "
        "ORDER BY (a.embedding <#> q.embedding) + 0, a.key LIMIT 10",
        key);
    for (const auto& hit : keys("SELECT key FROM pgmmr.search_like('many', $1)", key)) {
      common += exact.contains(hit) ? 1 : 0;
    }
  }
  EXPECT_NEAR(found.recall, common / 400.0, 1e-9);
  EXPECT_LT(found.recall, 1);
  EXPECT_GT(found.recall, 0.2);

  plan.conditions.searched = "same < 10";
  EXPECT_EQ(measured().way, "exact");
}

}  // namespace
}  // namespace pgmmr
