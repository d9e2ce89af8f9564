// What is told of a collection, its rows and their pictures.
#include <gmock/gmock.h>

#include "http/served_fixture.h"

namespace pgmmr {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

class CollectionRoutes : public test::Served {};

TEST_F(CollectionRoutes, ListsCollections) {
  start();
  const json all = json_of(get("/api/v1/collections")).at("collections");
  ASSERT_EQ(all.size(), 2U);
  const json& one = all.at(0);
  EXPECT_EQ(one.at("name").get<std::string>(), "files");
  EXPECT_EQ(one.at("rows").get<int>(), kRows);
  EXPECT_EQ(one.at("dim").get<int>(), 4);
  EXPECT_EQ(one.at("captions").dump(), R"([{"language":"english","name":"caption"}])");
  EXPECT_TRUE(one.at("searchable").at("vector").get<bool>());
  EXPECT_EQ(json_of(get("/api/v1/collections/numbers")).at("name").get<std::string>(), "numbers");
  EXPECT_THAT(json_of(get("/api/v1/collections/none"), 404).at("detail").get<std::string>(),
              HasSubstr("files, numbers"));
}

TEST_F(CollectionRoutes, ServesARow) {
  start();
  const json item = json_of(get("/api/v1/collections/numbers/item?key=row/7"));
  EXPECT_EQ(item.at("key").get<std::string>(), "row/7");
  EXPECT_EQ(item.at("fields").at("number").get<int>(), 7);
  EXPECT_EQ(item.at("caption").get<std::string>(), "an odd pear 7");
  json_of(get("/api/v1/collections/numbers/item?key=row/none"), 404);
  json_of(get("/api/v1/collections/numbers/item"), 400);
}

// The order of the keys' SHA-256, computed here by other means than there.
TEST_F(CollectionRoutes, ServesASampleByTheHashOfKeys) {
  start();
  std::vector<std::pair<std::string, std::string>> expected;
  for (int n = 0; n < kRows; ++n) {
    const std::string key = "row/" + std::to_string(n);
    expected.emplace_back(sha256_hex(key), key);
  }
  std::sort(expected.begin(), expected.end());
  const std::string path = "/api/v1/collections/numbers/sample";
  const json few = json_of(get(path + "?k=7")).at("items");
  ASSERT_EQ(few.size(), 7U);
  for (std::size_t i = 0; i < few.size(); ++i) {
    EXPECT_EQ(few.at(i).at("key").get<std::string>(), expected.at(i).second);
  }
  EXPECT_EQ(few.at(0).dump(), json_of(get("/api/v1/collections/numbers/item?key=" +
                                          few.at(0).at("key").get<std::string>()))
                                  .dump());
  EXPECT_EQ(json_of(get(path)).at("items").size(), static_cast<std::size_t>(kRows));
  json_of(get(path + "?k=0"), 400);
  json_of(get(path + "?k=1001"), 400);
  json_of(get("/api/v1/collections/none/sample"), 404);
}

TEST_F(CollectionRoutes, ServesPicturesOfBothKinds) {
  start();
  for (const std::string name : {"numbers", "files"}) {
    const std::string path = "/api/v1/collections/" + name + "/picture?key=row/7";
    const auto whole = get(path);
    ASSERT_EQ(whole->status, 200);
    EXPECT_EQ(whole->body, picture_bytes(7));
    EXPECT_EQ(whole->get_header_value("Content-Type"), "image/png");
    EXPECT_EQ(whole->get_header_value("Content-Length"), std::to_string(whole->body.size()));
    EXPECT_THAT(whole->get_header_value("Cache-Control"), HasSubstr("max-age"));
    const std::string etag = whole->get_header_value("ETag");
    const auto known = get(path, {{"If-None-Match", etag}});
    EXPECT_EQ(known->status, 304);
    EXPECT_EQ(known->body, "");

    const auto part = get(path, {{"Range", "bytes=10-19"}});
    EXPECT_EQ(part->status, 206);
    EXPECT_EQ(part->body, whole->body.substr(10, 10));
    EXPECT_EQ(part->get_header_value("Content-Range"),
              "bytes 10-19/" + std::to_string(whole->body.size()));
    EXPECT_EQ(get(path, {{"Range", "bytes=999999-"}})->status, 416);
    EXPECT_EQ(get(path, {{"Range", "bytes=0-1,3-4"}})->body, whole->body);
    EXPECT_EQ(get(path, {{"Range", "bytes=10-19"}, {"If-Range", "\"other\""}})->body, whole->body);

    auto one = client();
    const auto head = one.Head(path);
    EXPECT_EQ(head->status, 200);
    EXPECT_EQ(head->body, "");
    EXPECT_EQ(head->get_header_value("Content-Length"), std::to_string(whole->body.size()));
  }
}

TEST_F(CollectionRoutes, ServesThumbnailsOfBothKinds) {
  start();
  for (const std::string name : {"numbers", "files"}) {
    const std::string path = "/api/v1/collections/" + name + "/thumbnail?key=row/7";
    const auto small = get(path);
    ASSERT_EQ(small->status, 200) << small->body;
    EXPECT_EQ(small->get_header_value("Content-Type"), "image/jpeg");
    EXPECT_THAT(small->body, StartsWith("\xFF\xD8\xFF"));
    EXPECT_EQ(get(path)->body, small->body);
    EXPECT_EQ(get(path + "&h=640")->status, 200);
    EXPECT_EQ(get(path, {{"If-None-Match", small->get_header_value("ETag")}})->status, 304);
    json_of(get(path + "&h=5"), 400);
    json_of(get(path + "&h=99999999999"), 400);
  }
}

// The row's file may have been replaced since the ingest, by something that is nobody's business.
TEST_F(CollectionRoutes, ServesNothingThatIsNoPicture) {
  start();
  write_file(folder_.path() / "7.png", "root:x:0:0:root:/root:/bin/bash\n");
  json_of(get("/api/v1/collections/files/picture?key=row/7"), 415);
  json_of(get("/api/v1/collections/files/thumbnail?key=row/7"), 415);
  std::filesystem::remove(folder_.path() / "8.png");
  json_of(get("/api/v1/collections/files/picture?key=row/8"), 404);
  std::filesystem::create_directory(folder_.path() / "8.png");
  json_of(get("/api/v1/collections/files/picture?key=row/8"), 404);
}

TEST_F(CollectionRoutes, ReadsNoPictureByAPathFromOutside) {
  start();
  const std::string base = "/api/v1/collections/files/picture?key=";
  for (const std::string key :
       {"../../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "7.png"}) {
    json_of(get(base + key), 404);
  }
  for (const std::string path :
       {"/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/..%2f..%2fetc/passwd",
        "/gradio_api/file=/etc/passwd", "/gradio_api/file=../../etc/passwd"}) {
    EXPECT_EQ(get(path)->status, 404) << path;
  }
}

}  // namespace
}  // namespace pgmmr
