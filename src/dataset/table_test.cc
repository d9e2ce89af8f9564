#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

class Table : public DatasetTest {};

TEST_F(Table, ReadsCsvWithItsTypesAndPicturesBesideIt) {
  write("pics/a.jpg", "x");
  write("t.csv",
        "image_path,caption,stars,price\n"
        "pics/a.jpg,\"one, two\",3,1.5\n"
        "pics/b.jpg,gone,4,2.5\n"
        "/etc/passwd,elsewhere,5,3.5\n");
  const auto dataset = open("t.csv");
  const auto rows = rows_of(*dataset);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].key, "pics/a.jpg");
  EXPECT_EQ(rows[0].image_path, (path() / "pics/a.jpg").string());
  EXPECT_EQ(rows[0].values, (std::vector<Value>{"pics/a.jpg", "one, two", std::int64_t{3}, 1.5}));
  EXPECT_THAT(rows[1].problem, HasSubstr("no file"));
  EXPECT_THAT(rows[2].problem, HasSubstr("leaves"));
  EXPECT_THAT(dataset->default_captions(), ElementsAre("caption"));
}

TEST_F(Table, BrokenCsvLinesBecomeProblemsAndLoseNoOther) {
  std::string csv = "id,image,caption\n";
  for (int i = 0; i < 50; ++i) {
    write("p" + std::to_string(i) + ".png", "x");
    csv += std::to_string(i) + ",p" + std::to_string(i) + ".png,c" + std::to_string(i) + "\n";
    if (i == 20) csv += "20b,only two\n";
    if (i == 30) csv += "30b,p.png,c,too,many,fields\n";
  }
  write("t.csv", csv);
  int good = 0, broken = 0;
  for (const Row& row : rows_of(*open("t.csv"))) {
    if (row.problem.empty()) {
      EXPECT_EQ(std::get<std::string>(row.values[2]).substr(1),
                row.image_path.substr(path().string().size() + 2,
                                      row.image_path.size() - path().string().size() - 6));
      ++good;
    } else {
      EXPECT_THAT(row.problem, HasSubstr("line"));
      ++broken;
    }
  }
  EXPECT_EQ(good, 50);
  EXPECT_EQ(broken, 2);
}

TEST_F(Table, ReadsTsvAndJsonLines) {
  write("a.jpg", "x");
  write("t.tsv", "file_name\ttext\na.jpg\tx, y\n");
  EXPECT_EQ(rows_of(*open("t.tsv"))[0].values[1], Value("x, y"));
  write("t.jsonl",
        "{\"file_name\":\"a.jpg\",\"text\":\"x\",\"tags\":[\"p\"],\"box\":{\"w\":1}}\n"
        "{broken\n"
        "{\"file_name\":\"https://example.org/b.jpg\",\"text\":\"nul \\u0000 here\"}\n");
  const auto rows = rows_of(*open("t.jsonl"));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].values, (std::vector<Value>{"a.jpg", "x", std::vector<std::string>{"p"},
                                                std::string("{\"w\":1}")}));
  EXPECT_FALSE(rows[1].problem.empty());
  EXPECT_THAT(rows[2].problem, HasSubstr("not fetched"));
  write("t.json", "[{\"file_name\":\"a.jpg\",\"n\":1},{\"file_name\":\"a.jpg\",\"n\":2}]");
  EXPECT_EQ(rows_of(*open("t.json")).size(), 2u);
}

TEST_F(Table, RunsOneSelectAndNothingElse) {
  write_parquet("a.parquet",
                "SELECT i AS id, i * 2 AS twice, ('p' || i)::BLOB AS image "
                "FROM range(300) r(i)");
  const std::string from = "'" + (path() / "a.parquet").string() + "'";
  const auto dataset = open_dataset("SELECT * FROM " + from + " WHERE id % 2 = 0 ORDER BY id;");
  const auto rows = rows_of(*dataset);
  ASSERT_EQ(rows.size(), 150u);
  EXPECT_EQ(rows[100].key, "200");
  EXPECT_EQ(rows[100].image_bytes, "p200");
  EXPECT_EQ(rows[100].values[1], Value(std::int64_t{400}));
  EXPECT_EQ(rows_of(*open_dataset("FROM " + from, {.key_column = {}, .limit = 7})).size(), 7u);
  const std::string victim = (path() / "victim.csv").string();
  for (const std::string& sql : std::vector<std::string>{
           "SELECT 1 AS image; DROP TABLE x", "WITH a AS (SELECT 1) INSERT INTO t SELECT 1",
           "SELECT * FROM nowhere", "SELECT FROM WHERE",
           std::string("SELECT 1); COPY (SELECT 1) TO '" + victim + "'; SELECT (1")}) {
    EXPECT_THROW(open_dataset(sql), Error) << sql;
  }
  EXPECT_FALSE(std::filesystem::exists(victim));
}

TEST_F(Table, RefusesRepeatedAndMissingKeysWhereTheUserNamedTheColumn) {
  write("a.jpg", "x");
  write("t.csv", "file_name,k\na.jpg,1\na.jpg,1\na.jpg,\n");
  const auto guessed = rows_of(*open("t.csv"));
  EXPECT_EQ(guessed[1].key, "t.csv#1");
  const auto rows = rows_of(*open("t.csv", {.key_column = "k", .limit = {}}));
  EXPECT_EQ(rows[0].key, "1");
  EXPECT_THAT(rows[1].problem, HasSubstr("earlier row"));
  EXPECT_THAT(rows[2].problem, HasSubstr("no key"));
}

TEST_F(Table, OneMoreLineChangesAtMostTwoChunksAndTheRestStaysReadable) {
  write("a.jpg", "x");
  std::string csv = "id,file_name\n";
  for (int i = 0; i < 1500; ++i) csv += std::to_string(i * 31) + ",a.jpg\n";
  write("t.csv", csv);
  const auto before = chunks_of(*open("t.csv"));
  EXPECT_GT(before.size(), 5u);
  csv.insert(csv.find('\n') + 1, "7,a.jpg\n");
  write("t.csv", csv);
  const auto dataset = open("t.csv");
  const auto after = chunks_of(*dataset);
  std::set<std::string> known;
  for (const Chunk& chunk : before) known.insert(chunk.id);
  int changed = 0;
  for (const Chunk& chunk : after) changed += known.contains(chunk.id) ? 0 : 1;
  EXPECT_GE(changed, 1);
  EXPECT_LE(changed, 2);
  // The last chunk, as a ledger from before the insertion holds it.
  std::vector<std::string> keys;
  open("t.csv")->read(before.back(), [&](const Row& row) { keys.push_back(row.key); });
  EXPECT_EQ(keys.back(), std::to_string(1499 * 31));
  EXPECT_EQ(static_cast<std::int64_t>(keys.size()), before.back().rows);
}

TEST_F(Table, SaysWhatIsWrongWithFilesThatAreNoTables) {
  write("empty.csv", "");
  write("header.csv", "image\n");
  write("binary.csv", std::string("\x00\x01\x02\xFF\xFE\x00\n\x00", 8));
  write("binary.jsonl", std::string("\x00\x01\x02\xFF\xFE\x00\n\x00", 8));
  write("what.xyz", "x");
  for (const char* name : {"empty.csv", "binary.csv", "binary.jsonl", "what.xyz"}) {
    EXPECT_THROW(open(name), Error) << name;
  }
  EXPECT_EQ(rows_of(*open("header.csv")).size(), 0u);
}

}  // namespace
}  // namespace pgmmr
