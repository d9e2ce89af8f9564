#include "dataset/parquet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "base/error.h"
#include "dataset/dataset_fixture.h"

namespace pgmmr {
namespace {

using test::chunks_of;
using test::DatasetTest;
using test::rows_of;
using testing::ElementsAre;
using testing::HasSubstr;

class Parquet : public DatasetTest {};

constexpr const char* kPictures =
    "SELECT i::INTEGER AS i, 'caption ' || i AS caption, "
    "{'path': i || '.jpg', 'bytes': ('picture ' || i)::BLOB} AS image FROM range(1000) r(i)";

TEST_F(Parquet, ReadsHuggingFaceImagesWithChildrenInAnyOrder) {
  write_parquet("a.parquet", kPictures);
  const auto dataset = open("a.parquet");
  const auto rows = rows_of(*dataset);
  ASSERT_EQ(rows.size(), 1000u);
  EXPECT_EQ(rows[437].image_bytes, "picture 437");
  EXPECT_EQ(rows[437].key, "a.parquet#437");
  EXPECT_EQ(rows[437].values, (std::vector<Value>{std::int64_t{437}, std::string("caption 437")}));
  EXPECT_THAT(dataset->default_captions(), ElementsAre("caption"));
}

TEST_F(Parquet, CutsRowGroupsEvenlyAndJoinsSmallOnes) {
  write_parquet("a.parquet", kPictures, "ROW_GROUP_SIZE 100000");
  std::vector<std::int64_t> sizes;
  for (const Chunk& chunk : chunks_of(*open("a.parquet"))) sizes.push_back(chunk.rows);
  EXPECT_THAT(sizes, ElementsAre(250, 250, 250, 250));
  EXPECT_EQ(rows_of(*open("a.parquet", {.key_column = {}, .limit = 300})).size(), 300u);
}

TEST_F(Parquet, KeepsEveryTypeOfColumn) {
  write_parquet("a.parquet", R"(SELECT {'bytes': 'x'::BLOB, 'path': NULL::VARCHAR} AS image,
    true AS b, 1::TINYINT AS i8, 2::UTINYINT AS u8, 3::SMALLINT AS i16, 4::USMALLINT AS u16,
    5::INTEGER AS i32, 6::UINTEGER AS u32, 7::BIGINT AS i64, 18446744073709551615::UBIGINT AS u64,
    1.5::FLOAT AS f, 2.5::DOUBLE AS d, 12.340::DECIMAL(10,3) AS n,
    'text' AS t, DATE '2024-02-03' AS day, TIMESTAMP '1970-01-01 00:00:01.5' AS ts,
    TIMESTAMPTZ '1970-01-01 00:00:02+00' AS tz, 'b'::BLOB AS bin, ['p', NULL, 'q'] AS texts,
    [1, 2] AS ints, {'x': 'nan'::DOUBLE, 'y': 'z'} AS obj, TIME '01:02:03' AS clock,
    '00000000-0000-0000-0000-000000000001'::UUID AS u, 'infinity'::DATE AS never,
    NULL::INTEGER AS nothing)");
  const auto dataset = open("a.parquet");
  const auto rows = rows_of(*dataset);
  ASSERT_EQ(rows.size(), 1u);
  std::map<std::string, std::pair<ColumnType, Value>> got;
  for (std::size_t i = 0; i < rows[0].values.size(); ++i) {
    got[dataset->columns()[i].name] = {dataset->columns()[i].type, rows[0].values[i]};
  }
  const auto is = [&](const char* name, ColumnType type, const Value& value) {
    EXPECT_EQ(got[name].first, type) << name;
    EXPECT_EQ(got[name].second, value) << name;
  };
  const auto number = [](std::int64_t value) { return Value(value); };
  is("b", ColumnType::kBoolean, true);
  is("i8", ColumnType::kSmallint, number(1));
  is("u8", ColumnType::kSmallint, number(2));
  is("i16", ColumnType::kSmallint, number(3));
  is("u16", ColumnType::kInteger, number(4));
  is("i32", ColumnType::kInteger, number(5));
  is("u32", ColumnType::kBigint, number(6));
  is("i64", ColumnType::kBigint, number(7));
  is("u64", ColumnType::kNumeric, "18446744073709551615");
  is("f", ColumnType::kReal, 1.5);
  is("d", ColumnType::kDouble, 2.5);
  is("n", ColumnType::kNumeric, "12.340");
  is("t", ColumnType::kText, "text");
  is("day", ColumnType::kDate, number(19756));
  is("ts", ColumnType::kTimestamp, number(1'500'000));
  is("tz", ColumnType::kTimestampTz, number(2'000'000));
  is("bin", ColumnType::kBytea, "b");
  is("texts", ColumnType::kTextArray, std::vector<std::string>{"p", "q"});
  is("ints", ColumnType::kJsonb, "[1,2]");
  is("obj", ColumnType::kJsonb, R"({"x":null,"y":"z"})");
  is("clock", ColumnType::kText, "01:02:03");
  is("u", ColumnType::kText, "00000000-0000-0000-0000-000000000001");
  is("never", ColumnType::kDate, Value());
  is("nothing", ColumnType::kInteger, Value());
}

TEST_F(Parquet, ReadsPathsBelowTheFileAndNoOthers) {
  write("pics/a.jpg", "x");
  test::TemporaryFolder elsewhere;
  std::ofstream(elsewhere.path() / "secret.jpg") << "x";
  write_parquet(
      "set/a.parquet",
      "SELECT {'bytes': NULL::BLOB, 'path': p} AS image FROM (VALUES "
      "('in.jpg'), ('../pics/a.jpg'), ('" +
          elsewhere.path().string() +
          "/secret.jpg'), "
          "('https://example.org/a.jpg'), (NULL), ('missing.jpg'), ('sub/../in.jpg')) t(p)");
  write("set/in.jpg", "x");
  const auto rows = rows_of(*open("set/a.parquet"));
  ASSERT_EQ(rows.size(), 7u);
  EXPECT_EQ(rows[0].image_path, (path() / "set/in.jpg").string());
  EXPECT_THAT(rows[1].problem, HasSubstr("leaves"));
  EXPECT_THAT(rows[2].problem, HasSubstr("leaves"));
  EXPECT_THAT(rows[3].problem, HasSubstr("not fetched"));
  EXPECT_THAT(rows[4].problem, HasSubstr("no picture"));
  EXPECT_THAT(rows[5].problem, HasSubstr("no file"));
  EXPECT_EQ(rows[6].image_path, (path() / "set/in.jpg").string());
  for (int i : {1, 2, 3, 4, 5}) EXPECT_EQ(rows[i].image_path, "");
}

TEST_F(Parquet, TakesUniqueIdAsKeyAndRefusesRepeatedKeys) {
  write_parquet("a.parquet",
                "SELECT 'id' || i AS id, i % 3 AS part, 'x'::BLOB AS image FROM range(5) r(i)");
  EXPECT_EQ(rows_of(*open("a.parquet"))[4].key, "id4");
  const auto rows = rows_of(*open("a.parquet", {.key_column = "part", .limit = {}}));
  EXPECT_EQ(rows[2].key, "2");
  EXPECT_EQ(rows[2].problem, "");
  EXPECT_THAT(rows[3].problem, HasSubstr("earlier row"));
  EXPECT_EQ(rows[3].key, "a.parquet#3");
  write_parquet("b.parquet", "SELECT NULLIF(i, 1) AS id, 'x'::BLOB AS image FROM range(3) r(i)");
  EXPECT_EQ(rows_of(*open("b.parquet"))[2].key, "b.parquet#2");
  EXPECT_THAT(rows_of(*open("b.parquet", {.key_column = "id", .limit = {}}))[1].problem,
              HasSubstr("null"));
  EXPECT_THROW(open("b.parquet", {.key_column = "none", .limit = {}}), Error);
}

TEST_F(Parquet, NamesTheColumnsWhereNoneHoldsPictures) {
  write_parquet("a.parquet", "SELECT 1 AS one, 2 AS two");
  try {
    open("a.parquet");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("one, two"));
  }
}

TEST_F(Parquet, ReadsManyFilesWithDifferingColumns) {
  write_parquet("a1.parquet", "SELECT 'x'::BLOB AS image, 1::INTEGER AS n, 'a' AS caption");
  write_parquet("a2.parquet", "SELECT 2::BIGINT AS n, 'y'::BLOB AS image, 9 AS extra");
  write_parquet("b/a3.parquet", "SELECT 'z'::BLOB AS image, 5000000000 AS n, 'c' AS caption");
  const auto two = rows_of(*open("*.parquet"));
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[1].image_bytes, "y");
  EXPECT_EQ(two[1].values, (std::vector<Value>{std::int64_t{2}, Value()}));
  const auto three = rows_of(*open("**/*.parquet"));
  ASSERT_EQ(three.size(), 3u);
  EXPECT_EQ(three[2].key, "b/a3.parquet#0");
  EXPECT_THAT(three[2].problem, HasSubstr("cannot be read"));  // 5000000000 as INTEGER
}

TEST_F(Parquet, KeepsOddColumnNames) {
  write_parquet(
      "a.parquet",
      "SELECT 'x'::BLOB AS image, 1 AS \"it's \"\"odd\"\"\", 2 AS \"名前\", 3 AS \"; DROP\","
      " 4 AS \"" +
          std::string(100, 'l') + "1\", 5 AS \"" + std::string(100, 'l') + "2\"");
  const auto dataset = open("a.parquet");
  std::set<std::string> names;
  for (const Column& column : dataset->columns()) {
    EXPECT_LE(column.name.size(), 63u);
    names.insert(column.name);
  }
  EXPECT_EQ(names.size(), 5u);
  EXPECT_TRUE(names.contains("it's \"odd\""));
  EXPECT_EQ(rows_of(*dataset)[0].values[4], Value(std::int64_t{5}));
}

TEST_F(Parquet, NamesClassLabels) {
  write_parquet(
      "a.parquet", "SELECT 'x'::BLOB AS image, i::BIGINT AS label FROM range(3) r(i)",
      R"(KV_METADATA {huggingface: '{"info":{"features":{"label":{"names":["cat","dog"],"_type":"ClassLabel"}}}}'})");
  const auto dataset = open("a.parquet");
  const auto rows = rows_of(*dataset);
  ASSERT_EQ(dataset->columns().size(), 2u);
  EXPECT_EQ(dataset->columns()[1].name, "label_name");
  EXPECT_EQ(rows[1].values[1], Value("dog"));
  EXPECT_EQ(rows[2].values[1], Value());
  EXPECT_THAT(dataset->default_captions(), ElementsAre("label_name"));
}

TEST_F(Parquet, TakesTheFirstOfSeveralPictures) {
  write_parquet(
      "a.parquet",
      "SELECT [{'bytes': 'one'::BLOB, 'path': 'p'}, {'bytes': 'two'::BLOB, 'path': 'q'}] AS images "
      "UNION ALL SELECT []");
  const auto rows = rows_of(*open("a.parquet"));
  EXPECT_EQ(rows[0].image_bytes, "one");
  EXPECT_THAT(rows[1].problem, HasSubstr("no picture"));
}

TEST_F(Parquet, HasNoRowsWhereTheFileHasNone) {
  write_parquet("a.parquet", std::string(kPictures) + " LIMIT 0");
  EXPECT_EQ(rows_of(*open("a.parquet")).size(), 0u);
}

TEST_F(Parquet, RefusesFilesThatAreNotParquet) {
  write("empty.parquet", "");
  write("text.parquet", std::string(1000, 't'));
  write_parquet("whole.parquet", kPictures);
  std::string bytes = read("whole.parquet");
  write("cut.parquet", bytes.substr(0, bytes.size() / 2));
  for (const char* name : {"empty.parquet", "text.parquet", "cut.parquet"}) {
    try {
      open(name);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(name));
    }
  }
}

TEST_F(Parquet, ReadsAroundDamagedRows) {
  write_parquet("a.parquet",
                "SELECT i AS n, 'caption ' || i AS caption, ('picture ' || i)::BLOB AS image "
                "FROM range(100) r(i)",
                "CODEC UNCOMPRESSED");
  std::string bytes = read("a.parquet");
  const std::size_t at = bytes.find("caption 57");
  ASSERT_NE(at, std::string::npos);
  bytes[at] = '\xFF';  // not UTF-8, which DuckDB refuses in text
  write("a.parquet", bytes);
  const auto rows = rows_of(*open("a.parquet"));
  ASSERT_EQ(rows.size(), 100u);
  for (int i = 0; i < 100; ++i) {
    if (rows[i].problem.empty()) {
      EXPECT_EQ(rows[i].image_bytes, "picture " + std::to_string(i));
      EXPECT_EQ(rows[i].values[0], Value(std::int64_t{i}));
    }
  }
  EXPECT_EQ(
      std::count_if(rows.begin(), rows.end(), [](const Row& r) { return !r.problem.empty(); }), 1);
  EXPECT_THAT(rows[57].problem, HasSubstr("cannot be read"));
}

TEST_F(Parquet, RefusesAChunkOfAFileThatChanged) {
  write_parquet("a.parquet", kPictures);
  const auto dataset = open("a.parquet");
  const auto chunks = chunks_of(*dataset);
  write_parquet("a.parquet", std::string(kPictures) + " WHERE i > 10");
  EXPECT_THROW(dataset->read(chunks[0], [](const Row&) {}), Error);
}

}  // namespace
}  // namespace pgmmr
