#include "dataset/folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

class Folder : public DatasetTest {};

TEST_F(Folder, ListsPicturesInByteOrderOfTheirPaths) {
  write("b.jpg", "x");
  write("a/z.PNG", "x");
  write("a.gif", "x");
  write("a/deep/er/y.webp", "x");
  write("notes.md", "x");
  write("phone.HEIC", "x");
  write("logo.svg", "x");
  write(".hidden/p.jpg", "x");
  write("@eaDir/p.jpg", "x");
  write("node_modules/p.jpg", "x");
  const auto rows = rows_of(*open());
  std::vector<std::string> keys;
  for (const Row& row : rows) keys.push_back(row.key);
  EXPECT_THAT(
      keys, ElementsAre("a.gif", "a/deep/er/y.webp", "a/z.PNG", "b.jpg", "logo.svg", "phone.HEIC"));
  EXPECT_EQ(rows[1].image_path, (path() / "a/deep/er/y.webp").string());
  EXPECT_EQ(std::get<std::string>(rows[1].values[0]), "y.webp");
}

TEST_F(Folder, TakesCaptionFromTextThenMetadataThenName) {
  write("one.jpg", "x");
  write("one.txt", "\xEF\xBB\xBF  a red apple\n\n");
  write("two.jpg", "x");
  write("sub/three.jpg", "x");
  write("four_of-a.kind.jpg", "x");
  write("empty.jpg", "x");
  write("empty.txt", " \n");
  write("metadata.csv",
        "file_name,text,stars,taken\n"
        "two.jpg,\"two, of them\",5,2024-02-03\n"
        "./sub/three.jpg,three,4,2020-01-01\n"
        "one.jpg,not this,3,2020-01-01\n");
  const auto dataset = open();
  std::map<std::string, Row> rows;
  for (const Row& row : rows_of(*dataset)) rows[row.key] = row;
  EXPECT_EQ(rows["one.jpg"].values[1], Value("a red apple"));
  EXPECT_EQ(rows["two.jpg"].values[1], Value("two, of them"));
  EXPECT_EQ(rows["sub/three.jpg"].values[1], Value("three"));
  EXPECT_EQ(rows["four_of-a.kind.jpg"].values[1], Value("four of a kind"));
  EXPECT_EQ(rows["empty.jpg"].values[1], Value("empty"));
  ASSERT_EQ(dataset->columns().size(), 5u);
  EXPECT_EQ(dataset->columns()[3].name, "stars");
  EXPECT_EQ(dataset->columns()[3].type, ColumnType::kBigint);
  EXPECT_EQ(dataset->columns()[4].type, ColumnType::kDate);
  EXPECT_EQ(rows["two.jpg"].values[3], Value(std::int64_t{5}));
  EXPECT_EQ(rows["two.jpg"].values[4], Value(std::int64_t{19756}));  // date -d 2024-02-03 / 86400
  EXPECT_EQ(rows["empty.jpg"].values[3], Value());
  EXPECT_THAT(dataset->default_captions(), ElementsAre("caption"));
}

TEST_F(Folder, NearestMetadataFileWins) {
  write("metadata.jsonl", "{\"file_name\":\"a/x.jpg\",\"text\":\"outer\"}\n");
  write("a/metadata.jsonl",
        "{\"file_name\":\"x.jpg\",\"text\":\"inner\",\"tags\":[\"p\",\"q\"]}\n");
  write("a/x.jpg", "x");
  const auto rows = rows_of(*open());
  EXPECT_EQ(rows[0].values[1], Value("inner"));
  EXPECT_EQ(rows[0].values.back(), Value(std::vector<std::string>{"p", "q"}));
}

TEST_F(Folder, OneMorePictureChangesAtMostTwoChunks) {
  for (int i = 0; i < 1000; ++i) write("p" + std::to_string(i * 7919 % 100003) + ".jpg", "x");
  const auto before = chunks_of(*open());
  EXPECT_GT(before.size(), 5u);
  EXPECT_EQ(chunks_of(*open()), before);
  write("p500.5.jpg", "x");
  std::set<std::string> known;
  for (const Chunk& chunk : before) known.insert(chunk.id);
  int changed = 0;
  for (const Chunk& chunk : chunks_of(*open())) changed += known.contains(chunk.id) ? 0 : 1;
  EXPECT_GE(changed, 1);
  EXPECT_LE(changed, 2);
}

TEST_F(Folder, ChangedPictureOrCaptionChangesItsChunk) {
  write("a.jpg", "x");
  write("a.txt", "one");
  const auto before = chunks_of(*open());
  write("a.txt", "another");
  const auto after = chunks_of(*open());
  EXPECT_NE(before[0].id, after[0].id);
  write("a.jpg", "xy");
  EXPECT_NE(chunks_of(*open())[0].id, after[0].id);
}

TEST_F(Folder, KeepsNamesThatAreNotUtf8Apart) {
  write("a\xFF.jpg", "x");
  write(
      "a\xEF\xBF\xBD"
      "FF.jpg",
      "y");
  write("b\xC3\xA9.jpg", "z");
  std::set<std::string> keys;
  for (const Row& row : rows_of(*open())) {
    keys.insert(row.key);
    EXPECT_TRUE(std::filesystem::exists(row.image_path)) << row.key;
  }
  EXPECT_EQ(keys.size(), 3u);
  EXPECT_TRUE(
      keys.contains("a\xEF\xBF\xBD"
                    "FF.jpg"));  // of the byte
  EXPECT_TRUE(keys.contains("b\xC3\xA9.jpg"));
}

TEST_F(Folder, CleansCaptionsThatPostgresqlWouldRefuse) {
  write("a.jpg", "x");
  write("a.txt", std::string("caf\xE9 \0 noir", 12));
  EXPECT_EQ(rows_of(*open())[0].values[1], Value("caf\xEF\xBF\xBD  noir"));
}

TEST_F(Folder, EndsOnLoopsAndTakesLinkedFoldersOnce) {
  write("a/x.jpg", "x");
  test::TemporaryFolder elsewhere;
  std::ofstream(elsewhere.path() / "y.jpg") << "y";
  std::filesystem::create_directory_symlink(path(), path() / "a/loop");
  std::filesystem::create_directory_symlink(path() / "a", path() / "again");
  std::filesystem::create_directory_symlink(elsewhere.path(), path() / "out");
  std::filesystem::create_directory_symlink(elsewhere.path(), path() / "out2");
  std::filesystem::create_symlink("nothing", path() / "gone.jpg");
  const auto rows = rows_of(*open());
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[1].key, "gone.jpg");
  EXPECT_THAT(rows[1].problem, HasSubstr("gone"));
  EXPECT_EQ(rows[2].key, "out/y.jpg");
}

TEST_F(Folder, RefusesPayloadsThatLeaveTheFolder) {
  write("a.jpg", "x");
  const auto dataset = open();
  for (const char* payload :
       {R"({"files":["../a.jpg"]})", R"({"files":["/etc/passwd"]})", R"({"files":[1]})", "[]", "",
        "{\"files\":[\"\xEF\xBF\xBD"
        "2E./a.jpg\"]}",
        R"({"files":["a.jpg"],"captions":[7]})"}) {
    Chunk chunk;
    chunk.payload = payload;
    EXPECT_THROW(dataset->read(chunk, [](const Row&) {}), Error) << payload;
  }
}

TEST_F(Folder, SaysWhatIsMissing) {
  EXPECT_THROW(open(), Error);
  EXPECT_THROW(open_dataset((path() / "none").string()), Error);
  write("metadata.csv", "name\nx\n");
  write("a.jpg", "x");
  EXPECT_THROW(open(), Error);  // no file_name
}

TEST_F(Folder, StopsAtTheLimit) {
  for (int i = 0; i < 100; ++i) write("p" + std::to_string(i) + ".jpg", "x");
  EXPECT_EQ(rows_of(*open("", {.key_column = {}, .limit = 37})).size(), 37u);
}

}  // namespace
}  // namespace pgmmr
