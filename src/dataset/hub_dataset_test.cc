#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "base/error.h"
#include "dataset/dataset_fixture.h"
#include "dataset/hub_address.h"
#include "support/hub_server.h"

namespace pgmmr {
namespace {

using test::chunks_of;
using test::DatasetTest;
using test::rows_of;
using testing::ElementsAre;
using testing::HasSubstr;

class HubDataset : public DatasetTest {
 protected:
  HubDataset() {
    setenv("HF_ENDPOINT", server_.url().c_str(), 1);
    setenv("HF_HUB_CACHE", (path() / "cache").c_str(), 1);
    setenv("PGMMR_DATA_DIR", (path() / "data").c_str(), 1);
    unsetenv("HF_HUB_OFFLINE");
    unsetenv("HF_TOKEN");
  }
  ~HubDataset() override {
    for (const char* name : {"HF_ENDPOINT", "HF_HUB_CACHE", "PGMMR_DATA_DIR"}) unsetenv(name);
  }
  test::HubServer server_;
};

// The columns of wanghaofan/pokemon-wiki-captions, by its card.
std::string pokemon(int rows) {
  return "SELECT {'bytes': ('p' || i)::BLOB, 'path': NULL::VARCHAR} AS image, 'Name ' || i AS "
         "name_en, '名字' AS name_zh, 'text ' || i AS text_en, '文字' AS text_zh FROM range(" +
         std::to_string(rows) + ") r(i)";
}

TEST_F(HubDataset, ReadsARepositorysOwnParquetFiles) {
  write_parquet("repo/data/train-00000-of-00001-a64cc2144b54a73e.parquet", pokemon(98));
  write("repo/README.md", "x");
  server_.serve("datasets", "wanghaofan/pokemon-wiki-captions", path() / "repo");
  const auto dataset = open_dataset("hf://datasets/wanghaofan/pokemon-wiki-captions");
  EXPECT_EQ(dataset->source(), "hf://datasets/wanghaofan/pokemon-wiki-captions");
  const auto rows = rows_of(*dataset);
  ASSERT_EQ(rows.size(), 98u);
  EXPECT_EQ(rows[42].image_bytes, "p42");
  EXPECT_EQ(rows[42].key, "data/train-00000-of-00001-a64cc2144b54a73e.parquet#42");
  EXPECT_EQ(rows[42].values[1], Value("名字"));
  EXPECT_THAT(dataset->default_captions(), ElementsAre("name_en", "name_zh", "text_en", "text_zh"));
  const auto ids = chunks_of(*dataset);
  EXPECT_EQ(chunks_of(*open_dataset("hf://datasets/wanghaofan/pokemon-wiki-captions")), ids);
}

TEST_F(HubDataset, DownloadsAShardWhenItsFirstChunkIsRead) {
  for (int i = 0; i < 3; ++i) {
    write_parquet("repo/data/train-0000" + std::to_string(i) + "-of-00003.parquet",
                  pokemon(10 + i));
  }
  server_.serve("datasets", "o/n", path() / "repo");
  const auto dataset = open_dataset("hf://datasets/o/n");
  const auto chunks = chunks_of(*dataset);
  EXPECT_EQ(chunks.size(), 3u);
  EXPECT_EQ(server_.count("", "00001-of"), 0);
  dataset->read(chunks[1], [](const Row&) {});
  EXPECT_GE(server_.count("", "00001-of"), 1);
  EXPECT_EQ(server_.count("", "00002-of"), 0);
  const auto limited = open_dataset("hf://datasets/o/n", {.key_column = {}, .limit = 15});
  EXPECT_EQ(rows_of(*limited).size(), 15u);
  EXPECT_EQ(server_.count("", "00002-of"), 0);
}

TEST_F(HubDataset, CutsAShardOfManyRowsIntoPartsThatHoldEachRowOnce) {
  write_parquet(
      "repo/new_data.parquet",
      "SELECT i AS n, {'path': 'x', 'bytes': (md5(i::VARCHAR) || repeat('x', 40000))::BLOB} "
      "AS image FROM range(501) r(i)",
      "CODEC UNCOMPRESSED, ROW_GROUP_SIZE 100000");
  server_.serve("datasets", "UCSC-VLAA/Recap-COCO-30K", path() / "repo");
  const auto dataset = open_dataset("hf://datasets/UCSC-VLAA/Recap-COCO-30K");
  EXPECT_EQ(chunks_of(*dataset).size(), 3u);  // of 8 MiB
  const auto rows = rows_of(*dataset);
  ASSERT_EQ(rows.size(), 501u);
  for (std::int64_t i = 0; i < 501; ++i) EXPECT_EQ(rows[i].values[0], Value(i));
}

TEST_F(HubDataset, FallsBackToWhatTheHubConverted) {
  write("repo/data.tar", "x");
  write_parquet("converted/default/train/0000.parquet", pokemon(5));
  server_.serve("datasets", "o/n", path() / "repo");
  try {
    open_dataset("hf://datasets/o/n");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("1 tar"));
  }
  server_.serve("datasets", "o/n", path() / "converted", "refs/convert/parquet");
  EXPECT_EQ(rows_of(*open_dataset("hf://datasets/o/n")).size(), 5u);
  EXPECT_EQ(rows_of(*open_dataset("hf://datasets/o/n@refs/convert/parquet/default/train")).size(),
            5u);
  EXPECT_THROW(open_dataset("hf://datasets/o/none"), Error);
}

TEST_F(HubDataset, ReadsAUrlAndItsCachedCopy) {
  write_parquet("a.parquet", pokemon(5));
  server_.serve_file("/files/a.parquet", read("a.parquet"));
  const std::string url = server_.url() + "/files/a.parquet";
  const auto dataset = open_dataset(url);
  EXPECT_EQ(dataset->source(), url);
  EXPECT_EQ(rows_of(*dataset).size(), 5u);
  EXPECT_EQ(chunks_of(*open_dataset(url)), chunks_of(*dataset));
}

std::vector<std::string> chosen(const std::string& address, const std::vector<std::string>& paths) {
  std::vector<HubFile> files;
  for (const std::string& path : paths) files.push_back({path, 1, "e"});
  std::vector<std::string> names;
  for (const HubFile& file : choose_parquet(parse_hub_address(address), files)) {
    names.push_back(file.path);
  }
  return names;
}

TEST(HubAddress, SplitsRevisionConfigurationAndSplit) {
  const auto address = parse_hub_address("hf://datasets/o/n@v1.0/cfg/train");
  EXPECT_EQ(address.repo, "o/n");
  EXPECT_EQ(address.revision, "v1.0");
  EXPECT_EQ(address.below, "cfg/train");
  EXPECT_EQ(parse_hub_address("hf://datasets/o/n@refs%2Fpr%2F3").revision, "refs/pr/3");
  EXPECT_EQ(parse_hub_address("hf://datasets/o/n@refs/convert/parquet/default").below, "default");
  EXPECT_EQ(to_string(parse_hub_address("hf://datasets/o/n/")), "hf://datasets/o/n");
  for (const char* wrong : {"hf://", "hf://datasets", "hf://datasets/", "hf://datasets/o",
                            "hf://models/o/n", "hf://datasets/../n", "hf://datasets/o/n/../x",
                            "hf://datasets/o/n@", "hf://datasets/o/n@a/..", "hf://datasets/o/n//x",
                            "hf://datasets/o o/n", "hf://datasets/o/n@../../x"}) {
    EXPECT_THROW(parse_hub_address(wrong), Error) << wrong;
  }
}

TEST(HubAddress, ChoosesConfigurationsAndSplits) {
  const std::vector<std::string> splits = {"README.md", "data/test-00000-of-00001.parquet",
                                           "data/train-00000-of-00001.parquet"};
  EXPECT_EQ(chosen("hf://datasets/o/n", splits).size(), 2u);
  EXPECT_THAT(chosen("hf://datasets/o/n/train", splits), ElementsAre(splits[2]));
  EXPECT_THAT(chosen("hf://datasets/o/n/default/test", splits), ElementsAre(splits[1]));
  EXPECT_THAT(chosen("hf://datasets/o/n/data/te*.parquet", splits), ElementsAre(splits[1]));
  EXPECT_THROW(chosen("hf://datasets/o/n/none", splits), Error);
  const std::vector<std::string> configs = {"en/train-00000.parquet", "fr/test/0.parquet",
                                            "fr/train/0.parquet"};
  EXPECT_THROW(chosen("hf://datasets/o/n", configs), Error);
  EXPECT_EQ(chosen("hf://datasets/o/n/fr", configs).size(), 2u);
  EXPECT_THAT(chosen("hf://datasets/o/n/fr/train", configs), ElementsAre(configs[2]));
  EXPECT_THAT(chosen("hf://datasets/o/n/en/train", configs), ElementsAre(configs[0]));
  EXPECT_TRUE(chosen("hf://datasets/o/n", {"a.tar", "metadata.parquet"}).empty());
}

}  // namespace
}  // namespace pgmmr
