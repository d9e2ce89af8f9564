// Who may ask, seen from outside: the token, the name the server was asked by, other sites' pages.
#include "http/guard.h"

#include <gmock/gmock.h>

#include "http/served_fixture.h"

namespace pgmmr {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

class Guarded : public test::Served {};

TEST_F(Guarded, WantsItsTokenEverywhereButAtTheDoor) {
  settings_.token = "open sesame";
  start();
  const json service = json_of(get("/api/v1/service"));
  EXPECT_TRUE(service.at("auth").at("required").get<bool>());
  EXPECT_FALSE(service.at("auth").at("authenticated").get<bool>());
  const std::string path = "/api/v1/collections";
  for (const auto& headers :
       {httplib::Headers{}, httplib::Headers{{"Authorization", "Bearer open sesam"}},
        httplib::Headers{{"Authorization", "Basic b3BlbiBzZXNhbWU="}},
        httplib::Headers{{"Cookie", "pgmmr_session=open sesame"}}}) {
    const auto refused = get(path, headers);
    EXPECT_EQ(refused->status, 401);
    EXPECT_THAT(refused->get_header_value("WWW-Authenticate"), StartsWith("Bearer"));
  }
  EXPECT_EQ(get(path, {{"Authorization", "Bearer open sesame"}})->status, 200);
  EXPECT_EQ(get("/metrics")->status, 401);
  EXPECT_EQ(get("/healthz")->status, 200);
  EXPECT_EQ(get("/")->status, 200);

  json_of(post("/api/v1/session", {{"token", "wrong"}}), 401);
  const auto session = post("/api/v1/session", {{"token", "open sesame"}});
  ASSERT_EQ(session->status, 204);
  const std::string cookie = session->get_header_value("Set-Cookie");
  EXPECT_THAT(cookie, HasSubstr("HttpOnly; SameSite=Strict"));
  EXPECT_THAT(cookie, testing::Not(HasSubstr("sesame")));
  EXPECT_EQ(get(path, {{"Cookie", "a=b; " + cookie.substr(0, cookie.find(';'))}})->status, 200);

  const auto link = get("/?token=open%20sesame", {{"X-Forwarded-Proto", "https"}});
  EXPECT_EQ(link->status, 303);
  EXPECT_EQ(link->get_header_value("Location"), "/");
  EXPECT_THAT(link->get_header_value("Set-Cookie"), HasSubstr("SameSite=None; Secure"));
}

TEST_F(Guarded, AnswersToItsOwnNameAlone) {
  start();
  const std::string path = "/api/v1/collections";
  for (const char* host : {"localhost", "localhost:7860", "127.0.0.1", "[::1]:80", "a.localhost"}) {
    EXPECT_EQ(get(path, {{"Host", host}})->status, 200) << host;
  }
  for (const char* host : {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example"}) {
    EXPECT_EQ(get(path, {{"Host", host}})->status, 421) << host;
  }
}

TEST_F(Guarded, RefusesFormsOfOtherSites) {
  settings_.origins = {"https://friend.example"};
  start();
  const json body = {{"collection", "numbers"}, {"text", "1"}};
  EXPECT_EQ(post("/api/v1/search", body, {{"Origin", "https://evil.example"}})->status, 403);
  EXPECT_EQ(post("/api/v1/search", body, {{"Origin", "null"}})->status, 403);
  const auto friendly = post("/api/v1/search", body, {{"Origin", "https://friend.example"}});
  EXPECT_EQ(friendly->status, 200);
  EXPECT_EQ(friendly->get_header_value("Access-Control-Allow-Origin"), "https://friend.example");
  const std::string own = "http://127.0.0.1:" + std::to_string(server_->port());
  EXPECT_EQ(post("/api/v1/search", body, {{"Origin", own}})->status, 200);
}

TEST_F(Guarded, SendsTheUsualHeaders) {
  start();
  const auto api = get("/healthz", {{"X-Request-Id", "mine-1"}});
  EXPECT_EQ(api->get_header_value("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(api->get_header_value("X-Request-Id"), "mine-1");
  EXPECT_THAT(api->get_header_value("Content-Security-Policy"), HasSubstr("default-src 'none'"));
  EXPECT_FALSE(api->has_header("X-Frame-Options"));
  EXPECT_NE(get("/healthz", {{"X-Request-Id", "a\tb"}})->get_header_value("X-Request-Id"), "a\tb");
  const auto page = get("/");
  EXPECT_THAT(page->get_header_value("Content-Security-Policy"),
              HasSubstr("frame-ancestors 'self' https://huggingface.co"));
}

}  // namespace
}  // namespace pgmmr
