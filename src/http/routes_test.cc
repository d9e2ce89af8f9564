#include "http/routes.h"

#include <gtest/gtest.h>

namespace pgmmr {
namespace {

class RoutesTest : public testing::Test {
 protected:
  RoutesTest() {
    for (const char* pattern :
         {"/", "/a", "/a/{name}", "/a/{name}/b", "/f={path...}", "/g/{path...}", "/m/"}) {
      routes_.add("GET", pattern, Access::kToken,
                  [](WebRequest&, const PathParts&) { return WebReply(); });
    }
    routes_.add("POST", "/a", Access::kToken,
                [](WebRequest&, const PathParts&) { return WebReply(); });
  }
  std::string found(const std::string& path, const std::string& method = "GET") {
    const auto match = routes_.find(method, path);
    if (match.route == nullptr) return "none";
    std::string text = match.route->pattern;
    for (const auto& part : match.parts) text += " " + part;
    return text;
  }
  Routes routes_;
};

TEST_F(RoutesTest, FindsWholeSegments) {
  EXPECT_EQ(found("/"), "/");
  EXPECT_EQ(found("/a"), "/a");
  EXPECT_EQ(found("/a/x"), "/a/{name} x");
  EXPECT_EQ(found("/a/x/b"), "/a/{name}/b x");
  EXPECT_EQ(found("/f=x/../y"), "/f={path...} x/../y");
  EXPECT_EQ(found("/g/x/y"), "/g/{path...} x/y");
  EXPECT_EQ(found("/m/"), "/m/");
  EXPECT_EQ(found("/a", "HEAD"), "/a");
}

TEST_F(RoutesTest, FindsNothingElse) {
  for (const char* path :
       {"", "a", "//", "/a/", "/a//b", "/ab", "/a/x/b/", "/a/x/c", "/m", "/f", "/g"}) {
    EXPECT_EQ(found(path), "none") << path;
  }
}

TEST_F(RoutesTest, SaysWhichMethodsThereAre) {
  EXPECT_EQ(routes_.find("DELETE", "/a").allowed, "GET, HEAD, POST");
  EXPECT_EQ(routes_.find("DELETE", "/nowhere").allowed, "");
}

}  // namespace
}  // namespace pgmmr
