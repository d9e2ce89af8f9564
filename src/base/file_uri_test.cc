#include "base/file_uri.h"

#include <gtest/gtest.h>

namespace pgmmr {
namespace {

// Expected values: Python 3's pathlib.Path(...).as_uri(), which follows RFC 8089.
TEST(FileUri, EncodesAsPathlibDoes) {
  EXPECT_EQ(file_uri("/a/red apple.jpg"), "file:///a/red%20apple.jpg");
  EXPECT_EQ(file_uri("/a/100%.jpg"), "file:///a/100%25.jpg");
  EXPECT_EQ(file_uri("/a/\xE7\x8C\xAB.png"), "file:///a/%E7%8C%AB.png");
  EXPECT_EQ(file_uri("/a/b?c#d.png"), "file:///a/b%3Fc%23d.png");
  EXPECT_EQ(file_uri("/a/it's~(1).png"), "file:///a/it%27s~%281%29.png");
}

TEST(FileUri, MakesPathsAbsolute) {
  EXPECT_EQ(file_uri("x.png"), file_uri(std::filesystem::current_path() / "x.png"));
  EXPECT_EQ(file_uri("/a/./b/../x.png"), "file:///a/x.png");
}

TEST(FileUri, EveryByteSurvivesTheRoundTrip) {
  std::string name = "/";
  for (int byte = 1; byte < 256; ++byte) {
    if (byte != '/') name += static_cast<char>(byte);
  }
  EXPECT_EQ(path_of_file_uri(file_uri(name)), std::filesystem::path(name));
}

TEST(FileUri, RefusesWhatNamesNoLocalFile) {
  EXPECT_FALSE(path_of_file_uri("media:"));
  EXPECT_FALSE(path_of_file_uri("https://example.com/a.png"));
  EXPECT_FALSE(path_of_file_uri("file://elsewhere/a.png"));
  EXPECT_FALSE(path_of_file_uri("file:///a%2"));
  EXPECT_FALSE(path_of_file_uri("file:///a%zz"));
  EXPECT_FALSE(path_of_file_uri("file:///a%00b"));
  EXPECT_EQ(path_of_file_uri("file://localhost/a.png"), std::filesystem::path("/a.png"));
}

}  // namespace
}  // namespace pgmmr
