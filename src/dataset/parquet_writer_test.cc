#include "dataset/parquet_writer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "dataset/duckdb_session.h"
#include "support/places.h"

namespace pgmmr {
namespace {

// Read back by DuckDB itself: every type, NULLs, and more rows than one vector of DuckDB's holds.
TEST(ParquetWriter, KeepsTypesValuesAndOrder) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "out.parquet";
  const std::vector<ParquetColumn> columns = {
      {"key", "text"},         {"flag", "boolean"},   {"n", "bigint"},    {"x", "double precision"},
      {"day", "date"},         {"at", "timestamptz"}, {"bytes", "bytea"}, {"tags", "text[]"},
      {"more \"q\"", "jsonb"}, {"price", "numeric"}};
  int given = 0;
  write_parquet(path, columns, [&]() -> std::optional<ParquetRow> {
    if (given == 5000) return std::nullopt;
    const int n = given++;
    if (n == 1) return ParquetRow{std::vector<std::optional<std::string>>(10), {0, 1}};
    return ParquetRow{{"row/" + std::to_string(n), "true", std::to_string(n), "0.1", "2024-02-29",
                       "2024-02-29 12:00:00.5+00", "00ff", R"(["a","b \"c\""])", R"({"a":[1,2]})",
                       "12345678901234567890.5"},
                      {static_cast<float>(n), -1}};
  });
  DuckdbSession session({.about = "test", .database = {}, .folder = {}});
  session.query(
      "SELECT count(*) FILTER (WHERE n = file_row_number AND embedding = [n, -1]::FLOAT[] AND flag "
      "AND x = 0.1 AND day = DATE '2024-02-29' AND epoch_us(\"at\") = 1709208000500000 AND "
      "bytes = '\\x00\\xFF'::BLOB AND tags = ['a', 'b \"c\"'] AND "
      "\"more \"\"q\"\"\"::VARCHAR = '{\"a\":[1,2]}' AND price = '12345678901234567890.5'), "
      "count(*), count(*) FILTER (WHERE key IS NULL AND n IS NULL AND tags IS NULL AND "
      "embedding = [0, 1]::FLOAT[]) FROM read_parquet(" +
          duckdb_literal(path.string()) + ", file_row_number = true)",
      [&](const DuckdbRow& row) {
        EXPECT_EQ(row.integer(0), 4999);
        EXPECT_EQ(row.integer(1), 5000);
        EXPECT_EQ(row.integer(2), 1);
      });
}

TEST(ParquetWriter, AFailureLeavesNothingBehind) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "out.parquet";
  const auto failing = []() -> std::optional<ParquetRow> {
    throw Error(ErrorKind::kCancelled, "stopped");
  };
  try {
    write_parquet(path, {{"key", "text"}}, failing);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_THROW(write_parquet(folder.path() / "missing/out.parquet", {{"key", "text"}},
                             [] { return std::optional<ParquetRow>(); }),
               Error);
}

}  // namespace
}  // namespace pgmmr
