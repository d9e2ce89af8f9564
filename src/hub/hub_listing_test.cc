// Which files a repository has, asked page by page and remembered.
#include <nlohmann/json.hpp>

#include "hub/hub_fixture.h"

namespace pgmmr {
namespace {

class ListingTest : public test::HubTest {};

TEST_F(ListingTest, ListsADatasetOverSeveralPages) {
  const auto data = folder_.path() / "data";
  std::filesystem::create_directories(data / "default/train");
  for (int i = 0; i < 25; ++i) {
    write_file(data / "default/train" / (std::to_string(i) + ".parquet"), std::to_string(i));
  }
  write_file(data / "README.md", "#");
  const auto commit = server_.serve("datasets", "acme/pictures", data, "refs/convert/parquet");
  server_.set_page_size(10);
  Hub hub(settings());
  const auto files = hub.list(RepoKind::kDataset, "acme/pictures", "refs/convert/parquet");
  ASSERT_EQ(files.size(), 26u);
  EXPECT_EQ(files[0].path, "README.md");
  EXPECT_EQ(files[1].path, "default/train/0.parquet");
  EXPECT_EQ(files[1].etag, sha256_hex("0"));
  EXPECT_EQ(files[25].size, 1u);
  EXPECT_EQ(server_.count("GET", "/tree/"), 3);
  EXPECT_EQ(server_.count("GET", "/revision/refs%2Fconvert%2Fparquet"), 1);
  EXPECT_EQ(hub.commit(RepoKind::kDataset, "acme/pictures", "refs/convert/parquet"), commit);
  const auto below =
      hub.list(RepoKind::kDataset, "acme/pictures", "refs/convert/parquet", "default/train");
  EXPECT_EQ(below.size(), 25u);
  EXPECT_EQ(server_.count("GET", "/tree/"), 3) << "a commit's listing never changes";

  const auto tree = nlohmann::json::parse(
      read_file(cache() / "datasets--acme--pictures/trees" / (commit + ".json")));
  EXPECT_EQ(tree["format_version"], 1);
  EXPECT_EQ(tree["files"]["default/train/0.parquet"]["lfs_sha256"], sha256_hex("0"));

  HubSettings off = settings();
  off.offline = true;
  Hub offline(off);
  EXPECT_EQ(offline.list(RepoKind::kDataset, "acme/pictures", "refs/convert/parquet").size(), 26u);
  EXPECT_EQ(
      read_file(hub.file(RepoKind::kDataset, "acme/pictures", "default/train/7.parquet", commit)),
      "7");
}

TEST_F(ListingTest, ListsBelowAFolder) {
  Hub hub(settings());
  const auto files = hub.list(RepoKind::kModel, "acme/clip", "main", "deep/er");
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].path, "deep/er/notes with space.txt");
}

TEST_F(ListingTest, RefusesAListingThatNamesFilesOutside) {
  server_.serve_file("/api/models/acme/evil/revision/main", "{\"sha\":\"" + commit_ + "\"}");
  server_.serve_file("/api/models/acme/evil/tree/" + commit_,
                     R"([{"type":"file","path":"../../.bashrc","size":1,"oid":"x"}])");
  Hub hub(settings());
  EXPECT_EQ(failure([&] { hub.list(RepoKind::kModel, "acme/evil"); }).kind(), ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace pgmmr
