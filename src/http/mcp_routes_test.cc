// Model Context Protocol's messages one by one; tests/clients/mcp.mjs has its official client.
#include <gmock/gmock.h>

#include "http/served_fixture.h"

namespace pgmmr {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

class McpRoutes : public test::Served {
 protected:
  json call(const std::string& tool, const json& arguments) const {
    const json message = {{"jsonrpc", "2.0"},
                          {"id", 7},
                          {"method", "tools/call"},
                          {"params", {{"name", tool}, {"arguments", arguments}}}};
    const json answer = json_of(post("/mcp", message));
    EXPECT_EQ(answer.at("id").get<int>(), 7);
    return answer.at("result");
  }
  std::string failure(const std::string& tool, const json& arguments) const {
    const json result = call(tool, arguments);
    EXPECT_TRUE(result.at("isError").get<bool>()) << result;
    return result.at("content").at(0).at("text").get<std::string>();
  }
};

TEST_F(McpRoutes, TellMistakesByTheToolsOwnNames) {
  start();
  const auto search = [&](json arguments) {
    arguments["collection"] = "numbers";
    return failure("search_images", arguments);
  };
  EXPECT_EQ(search({{"query", "7"}, {"limit", 101}}), "limit is 101, expected 1 to 100");
  EXPECT_EQ(search({{"query", "7"}, {"limit", 0}}), "limit is 0, expected 1 to 100");
  EXPECT_THAT(search({{"query", "7"}, {"limit", "many"}}), StartsWith("limit is "));
  EXPECT_EQ(search({{"query", 7}, {"negative", true}}),
            "negative is true, expected text; query is 7, expected text");
  EXPECT_THAT(search({{"text", "7"}}), HasSubstr("text is unknown, expected query, "));
  EXPECT_THAT(search(json::object()), HasSubstr("nothing to search for"));
}

TEST_F(McpRoutes, KeepTheLimitTheyPromise) {
  start();
  const auto hits = [&](json arguments) {
    arguments.update({{"collection", "numbers"}, {"query", "7"}, {"mode", "vector"}});
    return call("search_images", arguments).at("structuredContent").at("hits");
  };
  EXPECT_EQ(hits(json::object()).size(), 10U);
  EXPECT_EQ(hits({{"limit", nullptr}}).size(), 10U);
  EXPECT_EQ(hits({{"limit", 3}}).size(), 3U);
  EXPECT_EQ(hits({{"limit", 100}}).size(), static_cast<std::size_t>(kRows));
  EXPECT_EQ(hits({{"limit", 3}}).at(0).at("key").get<std::string>(), "row/7");
}

}  // namespace
}  // namespace pgmmr
