// Requests as clip-retrieval's ClipClient (clip_client.py) and front end (clip-service.js) send
// them.
#include <gmock/gmock.h>

#include "http/base64.h"
#include "http/served_fixture.h"

namespace pgmmr {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

class KnnRoutes : public test::Served {
 protected:
  // Everything ClipClient sends, whatever it was asked for.
  static json query(const char* name, const json& value, int num_images = 5) {
    json body = {{"text", nullptr},
                 {"image", nullptr},
                 {"image_url", nullptr},
                 {"embedding_input", nullptr},
                 {"deduplicate", true},
                 {"use_safety_model", true},
                 {"use_violence_detector", true},
                 {"indice_name", "numbers"},
                 {"use_mclip", false},
                 {"aesthetic_score", 9},
                 {"aesthetic_weight", 0.5},
                 {"modality", "image"},
                 {"num_images", num_images},
                 {"num_result_ids", num_images}};
    body[name] = value;
    return body;
  }

  // requests.post(data=…) names no type, fetch() in a browser says text/plain.
  httplib::Result ask(const std::string& path, const json& body,
                      const std::string& type = "") const {
    auto one = client();
    return one.Post(path, body.dump(), type);
  }
  json hits(const json& body) const { return json_of(ask("/knn-service", body)); }
  std::string detail(const json& body) const {
    return json_of(ask("/knn-service", body), 400).at("detail").get<std::string>();
  }
};

TEST_F(KnnRoutes, ListTheCollections) {
  start();
  EXPECT_EQ(json_of(get("/indices-list")).dump(), R"(["files","numbers"])");
}

TEST_F(KnnRoutes, FindByWordsPictureAddressAndVector) {
  settings_.fetches_private_urls = true;
  start();
  const std::string own = "http://127.0.0.1:" + std::to_string(server_->port());
  const std::string picture = own + "/api/v1/collections/numbers/picture?key=row/23";
  auto scaled = test::vector_of(23);
  for (float& value : scaled) value *= 40;  // the client normalises nothing
  for (const json& body :
       {query("text", "23"), query("image", encode_base64(picture_bytes(23))),
        query("image_url", picture), query("embedding_input", test::vector_of(23)),
        query("embedding_input", scaled)}) {
    const json found = hits(body);
    ASSERT_EQ(found.size(), 5U) << body;
    EXPECT_EQ(found.at(0).at("id").get<std::string>(), "row/23") << body;
    EXPECT_NEAR(found.at(0).at("similarity").get<double>(), 1, 1e-3);
    EXPECT_EQ(found.at(0).at("caption").get<std::string>(), caption(23));
  }
}

// The client gives `url` to whatever fetches pictures: it must say where.
TEST_F(KnnRoutes, GiveAddressesThatCanBeFetched) {
  start();
  const std::string own = "http://127.0.0.1:" + std::to_string(server_->port());
  const auto url = hits(query("text", "7")).at(0).at("url").get<std::string>();
  ASSERT_THAT(url, StartsWith(own + "/"));
  EXPECT_EQ(get(url.substr(own.size()))->body, picture_bytes(7));
  auto one = client();
  const json proxied = json_of(one.Post(
      "/knn-service", {{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "pictures.example"}},
      query("text", "7").dump(), ""));
  EXPECT_THAT(proxied.at(0).at("url").get<std::string>(), StartsWith("https://pictures.example/"));
}

// The front end shows the first ones at once and asks for the others as one scrolls.
TEST_F(KnnRoutes, GiveMoreIdsThanPicturesAndTheirFieldsLater) {
  start();
  const json found = json_of(ask("/knn-service",
                                 {{"text", "7"},
                                  {"image", nullptr},
                                  {"image_url", nullptr},
                                  {"modality", "image"},
                                  {"num_images", 3},
                                  {"indice_name", "numbers"},
                                  {"num_result_ids", 3000},
                                  {"use_mclip", false},
                                  {"deduplicate", true},
                                  {"use_safety_model", true}},
                                 "text/plain;charset=UTF-8"));
  ASSERT_EQ(found.size(), static_cast<std::size_t>(kRows));
  json later = json::array();
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(found.at(i).contains("similarity"));
    EXPECT_EQ(found.at(i).contains("url"), i < 3) << i;
    EXPECT_EQ(found.at(i).contains("caption"), i < 3) << i;
    if (i == 3 || i == 4) later.push_back(found.at(i).at("id"));
  }
  const json rows = json_of(
      ask("/metadata", {{"ids", later}, {"indice_name", "numbers"}}, "text/plain;charset=UTF-8"));
  ASSERT_EQ(rows.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(rows.at(i).at("id"), later.at(i));
    const json& fields = rows.at(i).at("metadata");
    const int number = fields.at("number").get<int>();
    EXPECT_EQ(later.at(i).get<std::string>(), "row/" + std::to_string(number));
    EXPECT_EQ(fields.at("caption").get<std::string>(), caption(number));
    EXPECT_THAT(fields.at("url").get<std::string>(), HasSubstr("picture?key="));
  }
  EXPECT_EQ(json_of(ask("/metadata", {{"ids", json::array()}, {"indice_name", "numbers"}})).size(),
            0U);
}

TEST_F(KnnRoutes, SayWhatIsWrong) {
  start();
  EXPECT_THAT(detail(query("text", 7)), HasSubstr("text is 7"));
  EXPECT_THAT(detail(query("text", nullptr)), HasSubstr("nothing to search for"));
  EXPECT_THAT(detail(query("embedding_input", "1,2")), HasSubstr("a list of numbers"));
  EXPECT_THAT(detail(query("embedding_input", {1, 2})), HasSubstr("has 2 numbers, expected 4"));
  EXPECT_THAT(detail(query("embedding_input", {0, 0, 0, 0})), HasSubstr("no direction"));
  EXPECT_THAT(detail(query("embedding_input", {1e300, 0, 0, 0})), HasSubstr("no direction"));
  json elsewhere = query("text", "7");
  elsewhere["indice_name"] = "none";
  json_of(ask("/knn-service", elsewhere), 404);
}

}  // namespace
}  // namespace pgmmr
