// The HTTP API as a client sees it: a running server, a real PostgreSQL, known vectors.
#include "http/web_server.h"

#include <gmock/gmock.h>

#include <regex>
#include <thread>

#include "http/base64.h"
#include "http/openapi.h"
#include "http/served_fixture.h"

namespace pgmmr {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

class Api : public test::Served {
 protected:
  static std::vector<std::string> keys(const json& answer) {
    std::vector<std::string> all;
    for (const auto& hit : answer.at("hits")) all.push_back(hit.at("key").get<std::string>());
    return all;
  }
};

TEST_F(Api, TellsOfItself) {
  start();
  EXPECT_EQ(json_of(get("/healthz")).at("status").get<std::string>(), "ok");
  EXPECT_EQ(json_of(get("/readyz")).at("status").get<std::string>(), "ready");
  const json service = json_of(get("/api/v1/service"));
  EXPECT_EQ(service.at("version").get<std::string>(), "1.2.3");
  EXPECT_FALSE(service.at("auth").at("required").get<bool>());
  EXPECT_EQ(get("/openapi.json")->body, *openapi_document());
}

// Paths and methods, and of the answers the members that are promised.
TEST_F(Api, DoesWhatItsDocumentSays) {
  start();
  const json document = json::parse(*openapi_document());
  EXPECT_EQ(document.at("openapi").get<std::string>(), "3.1.0");
  const auto schema = [&](const char* name) -> const json& {
    return document.at("components").at("schemas").at(name);
  };
  auto one = client();
  for (const auto& [pattern, methods] : document.at("paths").items()) {
    const std::string path = std::regex_replace(pattern, std::regex("\\{name\\}"), "numbers");
    for (const auto& [method, operation] : methods.items()) {
      const auto answer = method == "get"    ? one.Get(path)
                          : method == "post" ? one.Post(path, "{}", "application/json")
                                             : one.Delete(path);
      ASSERT_TRUE(answer) << path;
      EXPECT_NE(answer->status, 404) << path;
      EXPECT_NE(answer->status, 405) << path;
      const auto& responses = operation.at("responses");
      EXPECT_TRUE(responses.contains(std::to_string(answer->status)) ||
                  responses.contains("default"))
          << method << " " << path << " gave " << answer->status;
    }
  }
  const auto has_all = [&](const json& value, const char* name) {
    for (const auto& member : schema(name).at("required")) {
      EXPECT_TRUE(value.contains(member.get<std::string>())) << name << " lacks " << member;
    }
    for (const auto& [member, unused] : value.items()) {
      EXPECT_TRUE(schema(name).at("properties").contains(member)) << name << " has " << member;
    }
  };
  const json found = json_of(get("/api/v1/search?collection=numbers&text=apple&k=1"));
  has_all(found, "SearchResult");
  has_all(found.at("hits").at(0), "Hit");
  has_all(json_of(get("/api/v1/collections/numbers/item?key=row/1")), "Item");
  has_all(json_of(get("/api/v1/collections/numbers/sample?k=1")).at("items").at(0), "Item");
  has_all(json_of(get("/api/v1/collections/numbers")), "Collection");
  has_all(json_of(get("/api/v1/service")), "Service");
  has_all(json_of(get("/none"), 404), "Problem");
}

TEST_F(Api, SearchesByWordsInEveryForm) {
  start();
  const json by_post = json_of(post(
      "/api/v1/search", {{"collection", "numbers"}, {"text", "7"}, {"k", 3}, {"mode", "vector"}}));
  EXPECT_EQ(by_post.at("mode").get<std::string>(), "vector");
  EXPECT_EQ(by_post.at("query").dump(), R"({"text":"7"})");
  EXPECT_EQ(keys(by_post).front(), "row/7");
  EXPECT_EQ(by_post.at("hits").size(), 3U);
  EXPECT_TRUE(by_post.at("more").get<bool>());
  const json& hit = by_post.at("hits").at(0);
  EXPECT_EQ(hit.at("fields").dump(), R"({"caption":"an odd pear 7","number":7})");
  EXPECT_EQ(hit.at("caption").get<std::string>(), "an odd pear 7");
  EXPECT_EQ(hit.at("picture").get<std::string>(), "/api/v1/collections/numbers/picture?key=row/7");
  EXPECT_NEAR(hit.at("similarity").get<double>(), 1.0, 1e-3);

  const json by_get = json_of(get("/api/v1/search?collection=numbers&text=7&k=3&mode=vector"));
  EXPECT_EQ(keys(by_get), keys(by_post));
  auto one = client();
  const json by_form = json_of(
      one.Post("/api/v1/search", httplib::MultipartFormDataItems{{"collection", "numbers", "", ""},
                                                                 {"text", "7", "", ""},
                                                                 {"k", "3", "", ""},
                                                                 {"mode", "vector", "", ""}}));
  EXPECT_EQ(keys(by_form), keys(by_post));
}

TEST_F(Api, SearchesByPictureInEveryForm) {
  start();
  const std::string png = picture_bytes(23);
  auto one = client();
  const json by_form = json_of(one.Post(
      "/api/v1/search", httplib::MultipartFormDataItems{{"collection", "numbers", "", ""},
                                                        {"image", png, "cat.png", "image/png"}}));
  EXPECT_EQ(keys(by_form).front(), "row/23");
  EXPECT_EQ(by_form.at("query").at("image").get<std::string>(), "cat.png");
  const std::string coded = encode_base64(png);
  for (const json& body :
       {json{{"collection", "numbers"}, {"image", coded}},
        json{{"collection", "numbers"}, {"image", "data:image/png;base64," + coded}},
        json{{"collection", "numbers"}, {"image_url", "data:image/png;base64," + coded}}}) {
    EXPECT_EQ(keys(json_of(post("/api/v1/search", body))).front(), "row/23");
  }
  const json raw = json_of(one.Post("/api/v1/search?collection=numbers", png, "image/png"));
  EXPECT_EQ(keys(raw).front(), "row/23");
}

TEST_F(Api, SearchesLikeARowAndPagesOn) {
  start();
  const std::string base = "/api/v1/search?collection=numbers&like=row/5&k=5";
  const auto first = keys(json_of(get(base)));
  const auto second = keys(json_of(get(base + "&offset=5")));
  const auto all = keys(json_of(get("/api/v1/search?collection=numbers&like=row/5&k=10")));
  EXPECT_THAT(all, testing::Not(testing::Contains("row/5")));
  EXPECT_TRUE(std::equal(first.begin(), first.end(), all.begin()));
  EXPECT_TRUE(std::equal(second.begin(), second.end(), all.begin() + 5));
  const json last = json_of(get(base + "&offset=38"));
  EXPECT_EQ(last.at("hits").size(), 1U);
  EXPECT_FALSE(last.at("more").get<bool>());
}

TEST_F(Api, SaysWhichWordsMatched) {
  start();
  const json found =
      json_of(get("/api/v1/search?collection=numbers&text=apples+-pear&mode=keyword&k=2"));
  for (const json& hit : found.at("hits")) {
    EXPECT_EQ(hit.at("matched").dump(), R"(["apple"])");
    EXPECT_TRUE(hit.at("similarity").is_null());
  }
  EXPECT_EQ(json_of(get("/api/v1/search?collection=numbers&like=row/1&k=1"))
                .at("hits")
                .at(0)
                .at("matched")
                .size(),
            0U);
}

TEST_F(Api, NamesEveryWrongField) {
  start();
  const json problem = json_of(post("/api/v1/search", {{"collection", 7},
                                                       {"k", "many"},
                                                       {"offset", -1},
                                                       {"mode", "magic"},
                                                       {"where", "1=1"},
                                                       {"image", "***"},
                                                       {"image_url", "ftp://x/"}}),
                               400);
  EXPECT_EQ(problem.at("title").get<std::string>(), "Bad Request");
  std::vector<std::string> fields;
  for (const json& one : problem.at("errors")) fields.push_back(one.at("field"));
  std::sort(fields.begin(), fields.end());
  EXPECT_THAT(fields,
              ElementsAre("collection", "image", "image_url", "k", "mode", "offset", "where"));
  EXPECT_THAT(problem.at("request_id").get<std::string>(), testing::SizeIs(16));
}

TEST_F(Api, AsksWhichCollectionWhereThereAreSeveral) {
  start();
  const json problem = json_of(get("/api/v1/search?text=7"), 400);
  EXPECT_EQ(problem.at("errors").at(0).at("expected").get<std::string>(), "one of files, numbers");
  EXPECT_EQ(json_of(get("/api/v1/search?collection=numbers"), 400).at("status").get<int>(), 400);
  EXPECT_EQ(
      json_of(get("/api/v1/search?collection=numbers&like=none"), 404).at("status").get<int>(),
      404);
}

TEST_F(Api, CountsWhatItDoes) {
  start();
  get("/api/v1/search?collection=numbers&text=7");
  get("/nowhere/at/all");
  const std::string metrics = get("/metrics")->body;
  EXPECT_THAT(metrics,
              HasSubstr("pgmmr_http_requests_total{route=\"/api/v1/search\",status=\"200\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("pgmmr_http_requests_total{route=\"none\",status=\"404\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("pgmmr_stage_seconds_count{stage=\"encode\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("pgmmr_stage_seconds_count{stage=\"search\"} 1"));
}

TEST_F(Api, FetchesNoPictureFromPrivateAddresses) {
  start();
  const std::string own = "http://127.0.0.1:" + std::to_string(server_->port());
  for (const std::string& url :
       {own + "/healthz", std::string("http://localhost:1/x.png"), std::string("http://[::1]/x"),
        std::string("http://169.254.169.254/"), std::string("http://2130706433/x"),
        std::string("http://0x7f.1/x")}) {
    const json problem =
        json_of(post("/api/v1/search", {{"collection", "numbers"}, {"image_url", url}}), 400);
    EXPECT_EQ(problem.at("errors").at(0).at("expected").get<std::string>(), "a public address")
        << url;
  }
}

TEST_F(Api, FetchesAPictureByItsAddressWhereAllowed) {
  settings_.fetches_private_urls = true;
  start();
  const std::string own = "http://127.0.0.1:" + std::to_string(server_->port());
  const std::string picture = own + "/api/v1/collections/numbers/picture?key=row/23";
  EXPECT_EQ(
      keys(json_of(post("/api/v1/search", {{"collection", "numbers"}, {"image_url", picture}})))
          .front(),
      "row/23");
  json_of(post("/api/v1/search", {{"collection", "numbers"}, {"image_url", own + "/healthz"}}),
          415);
  json_of(post("/api/v1/search", {{"collection", "numbers"}, {"image_url", own + "/none"}}), 502);
}

TEST_F(Api, RefusesPicturesThatAreNone) {
  settings_.pixels = 1000;
  settings_.body_bytes = 100'000;
  start();
  const auto search = [&](const std::string& bytes) {
    return post("/api/v1/search", {{"collection", "numbers"}, {"image", encode_base64(bytes)}});
  };
  json_of(search("not a picture"), 415);
  json_of(search(encode_png(test::picture_of(1)).substr(0, 60)), 415);
  json_of(search(picture_bytes(1)), 413);  // 2,400 pixels
  json_of(search(std::string(200'000, 'a')), 413);
}

TEST_F(Api, SaysWhenTooMuchWaits) {
  settings_.in_flight = 0;
  start();
  const auto refused = get("/api/v1/search?collection=numbers&text=7");
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->get_header_value("Retry-After"), "1");
}

TEST_F(Api, LivesOnWhenTheDatabaseConnectionsDie) {
  start();
  const std::string path = "/api/v1/search?collection=numbers&text=7&k=1";
  json_of(get(path));
  Connection connection = database_.connect();
  connection.execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
      "WHERE datname = current_database() AND pid <> pg_backend_pid()");
  EXPECT_EQ(keys(json_of(get(path))).front(), "row/7");
}

TEST_F(Api, FinishesWhatIsUnderWayWhenStopped) {
  start();
  auto one = client();
  std::atomic<int> answered = 0;
  std::vector<std::jthread> askers;
  for (int i = 0; i < 8; ++i) {
    askers.emplace_back([&] {
      auto own = client();
      const auto result = own.Get("/api/v1/search?collection=numbers&text=7");
      if (result && result->status == 200) ++answered;
    });
  }
  while (answered == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  server_->stop();
  askers.clear();
  EXPECT_GE(answered, 1);
  EXPECT_FALSE(client().Get("/healthz"));
}

}  // namespace
}  // namespace pgmmr
