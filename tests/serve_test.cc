// pgmmr serve as people start it: the built program, a database of its own, its signals; and the
// clients that other projects publish, where ./run deps has fetched them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "image/encode.h"
#include "support/database.h"
#include "support/places.h"
#include "support/process.h"

namespace pgmmr {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Serve : public testing::Test {
 protected:
  Serve() {
    std::filesystem::create_directories(photos());
    for (int n = 0; n < 6; ++n) {
      Picture picture(40, 30);
      for (std::size_t i = 0; i < picture.rgb.size(); ++i) {
        picture.rgb[i] = static_cast<std::uint8_t>(n * 53 + static_cast<int>(i) * (n + 1));
      }
      write_file(photos() / (std::to_string(n) + ".png"), encode_png(picture));
      write_file(photos() / (std::to_string(n) + ".txt"),
                 n % 2 == 0 ? "an apple on a table" : "a pear");
    }
    const auto done =
        test::run({test::program(), "ingest", photos(), "-c", "photos"}, environment());
    EXPECT_EQ(done.exit_code, 0) << done.err;
  }

  std::filesystem::path photos() const { return folder_.path() / "photos"; }
  std::string err() const { return folder_.path() / "err"; }

  std::vector<std::string> environment() const {
    return {"PGMMR_DATABASE_URL=" + database_.url(),
            "PGMMR_DATA_DIR=" + (folder_.path() / "data").string(),
            "PGMMR_MODEL=" + (test::test_data() / "models/tiny").string()};
  }

  std::unique_ptr<test::Process> serve(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {test::program(), "serve", "--listen", "127.0.0.1:0"};
    words.insert(words.end(), more.begin(), more.end());
    auto program = std::make_unique<test::Process>(words, environment(), err());
    url_ = program->line();
    if (url_.ends_with('/')) url_.pop_back();
    return program;
  }

  std::unique_ptr<test::Process> serve_with(const std::string& token) {
    return token.empty() ? serve() : serve({"--token", token});
  }

  static std::filesystem::path clients() { return test::source_dir() / "tests/clients"; }
  static bool has_clients() { return std::filesystem::exists(clients() / "node_modules"); }

  // Runs tests/clients/SCRIPT with the service's address and more; it says ok, or what went wrong.
  void expect_ok(const std::string& script, const std::vector<std::string>& more) {
    std::vector<std::string> words = {"/usr/bin/env", "node", clients() / script, url_};
    words.insert(words.end(), more.begin(), more.end());
    const auto done = test::run(words);
    EXPECT_EQ(done.out, "ok\n") << done.err << read_file(err());
  }

  test::TemporaryFolder folder_;
  test::TemporaryDatabase database_;
  std::string url_;
};

TEST_F(Serve, PrintsItsAddressAnswersAndStopsInPeace) {
  const auto program = serve();
  ASSERT_THAT(url_, StartsWith("http://127.0.0.1:")) << read_file(err());
  httplib::Client client(url_);
  EXPECT_EQ(client.Get("/readyz")->status, 200);
  const auto found = client.Get("/api/v1/search?text=apple&k=2&secret=x");
  EXPECT_EQ(found->status, 400);
  const auto hits = client.Get("/api/v1/search?text=apple&k=2");
  ASSERT_EQ(hits->status, 200) << hits->body;

  // The command line's JSON, but for the times.
  const auto printed =
      test::run({test::program(), "search", "-c", "photos", "apple", "-k", "2", "--format", "json"},
                environment());
  auto there = nlohmann::json::parse(hits->body), here = nlohmann::json::parse(printed.out);
  for (auto* one : {&there, &here}) one->erase("took_ms");
  for (auto& hit : there.at("hits")) {
    for (const char* more : {"caption", "thumbnail", "picture", "matched"}) hit.erase(more);
  }
  there.erase("offset");
  there.erase("more");
  EXPECT_EQ(there, here);

  EXPECT_EQ(program->stop(SIGTERM), 0);
  const std::string log = read_file(err());
  EXPECT_THAT(log, HasSubstr(R"("path":"/api/v1/search","status":200)"));
  EXPECT_THAT(log, testing::Not(HasSubstr("apple")));
  EXPECT_THAT(log, testing::Not(HasSubstr("secret")));
  for (std::size_t at = 0, end = 0; (end = log.find('\n', at)) != std::string::npos; at = end + 1) {
    EXPECT_TRUE(nlohmann::json::accept(log.substr(at, end - at))) << log.substr(at, end - at);
  }
}

TEST_F(Serve, SaysWhatIsWrongWithAnAddress) {
  for (const char* address : {"localhost", "127.0.0.1:99999", "::1:80", "x:y"}) {
    const auto refused = test::run({test::program(), "serve", "--listen", address}, environment());
    EXPECT_EQ(refused.exit_code, 1) << address;
    EXPECT_THAT(refused.err, HasSubstr("expected HOST:PORT"));
  }
}

TEST_F(Serve, WarnsWhereEverybodyMayAsk) {
  test::Process program({test::program(), "serve", "--listen", "0.0.0.0:0"}, environment(), err());
  EXPECT_THAT(program.line(), StartsWith("http://localhost:"));
  EXPECT_EQ(program.stop(SIGINT), 0);
  EXPECT_THAT(read_file(err()), HasSubstr("everybody who reaches this machine can search"));
}

// The clients that people have, from npm, in tests/clients.
TEST_F(Serve, GradiosOwnClientWorks) {
  if (!has_clients()) GTEST_SKIP() << "npm ci was not run in tests/clients";
  for (const std::string token : {"", "a token"}) {
    const auto program = serve_with(token);
    expect_ok("gradio.mjs", {photos() / "3.png", "3.png", token});
  }
}

TEST_F(Serve, OpenAisOwnClientWorks) {
  if (!has_clients()) GTEST_SKIP() << "npm ci was not run in tests/clients";
  const auto program = serve_with("a token");
  expect_ok("openai.mjs", {photos() / "3.png", "a token"});
}

TEST_F(Serve, ModelContextProtocolsOwnClientWorks) {
  if (!has_clients()) GTEST_SKIP() << "npm ci was not run in tests/clients";
  for (const std::string token : {"", "a token"}) {
    const auto program = serve_with(token);
    expect_ok("mcp.mjs", {photos() / "3.png", "3.png", token});
  }
}

}  // namespace
}  // namespace pgmmr
