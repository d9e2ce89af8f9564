#include "hub/download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "support/hub_server.h"
#include "support/places.h"

namespace pgmmr {
namespace {

class DownloadTest : public testing::Test {
 protected:
  std::filesystem::path get(const std::string& path) {
    return download(server_.url() + path, {}, folder_.path() / "downloads");
  }
  Error failure(const std::string& url) {
    try {
      download(url, {}, folder_.path() / "downloads");
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing thrown";
    return Error(ErrorKind::kInternal, "");
  }

  test::HubServer server_;
  test::TemporaryFolder folder_;
};

TEST_F(DownloadTest, KeepsTheFilesNameAndAsksOnlyWhetherItChanged) {
  server_.serve_file("/data/pictures.parquet", "first");
  const auto path = get("/data/pictures.parquet?signature=secret");
  EXPECT_EQ(path.filename(), "pictures.parquet");
  EXPECT_EQ(read_file(path), "first");
  EXPECT_EQ(get("/data/pictures.parquet?signature=secret"), path);
  server_.serve_file("/data/pictures.parquet", "second");
  EXPECT_EQ(read_file(get("/data/pictures.parquet?signature=secret")), "second");
  EXPECT_EQ(read_file(path.parent_path() / "about.json").find("secret"), std::string::npos);
}

TEST_F(DownloadTest, GoesOnAfterACut) {
  const std::string bytes(100'000, 'b');
  server_.serve_file("/a.csv", bytes);
  server_.add({"GET", "/a.csv", 1, 0, {}, 40'000});
  EXPECT_EQ(read_file(get("/a.csv")), bytes);
  EXPECT_EQ(server_.requests().back().range, "bytes=40000-");
}

TEST_F(DownloadTest, NamesTheAddressWithoutItsSecrets) {
  const std::string host = server_.url().substr(7);
  const Error missing = failure("http://user:password@" + host + "/none.csv?key=secret");
  EXPECT_EQ(missing.kind(), ErrorKind::kNotFound);
  EXPECT_THAT(missing.what(), testing::HasSubstr("/none.csv"));
  EXPECT_THAT(missing.what(), testing::Not(testing::HasSubstr("secret")));
  EXPECT_THAT(missing.what(), testing::Not(testing::HasSubstr("password")));
  for (const char* url :
       {"file:///etc/passwd", "ftp://host/x", "x.csv", "http://", "gopher://x/"}) {
    EXPECT_EQ(failure(url).kind(), ErrorKind::kInvalidArgument) << url;
  }
}

TEST_F(DownloadTest, UsesTheEarlierCopyWhereTheServerFails) {
  server_.serve_file("/a.csv", "bytes");
  get("/a.csv");
  server_.add({"GET", "/a.csv", -1, 503});
  EXPECT_EQ(read_file(get("/a.csv")), "bytes");
}

TEST_F(DownloadTest, AsksNobodyOffline) {
  server_.serve_file("/a.csv", "bytes");
  get("/a.csv");
  server_.forget_requests();
  setenv("HF_HUB_OFFLINE", "1", 1);
  EXPECT_EQ(read_file(get("/a.csv")), "bytes");
  EXPECT_EQ(failure(server_.url() + "/b.csv").kind(), ErrorKind::kUnavailable);
  unsetenv("HF_HUB_OFFLINE");
  EXPECT_TRUE(server_.requests().empty());
}

}  // namespace
}  // namespace pgmmr
