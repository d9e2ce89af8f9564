#include "dataset/clean_text.h"

#include <gtest/gtest.h>

namespace pgmmr {
namespace {

// The Unicode standard, 3.9, tables 3-8 to 3-10.
TEST(CleanText, ReplacesMaximalSubparts) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(clean_text("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(clean_text("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(clean_text("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(clean_text("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), r + r + r + r + "A");
  EXPECT_EQ(clean_text(std::string("a\0b", 3)), "ab");
  EXPECT_EQ(clean_text("日本 \xF0\x9F\x8D\x8E"), "日本 \xF0\x9F\x8D\x8E");
}

TEST(CleanJson, GivesWhatJsonbTakes) {
  EXPECT_EQ(clean_json(R"({"a":NaN,"b":-Infinity,"c":[1e999,1.5e3,-2]})"),
            R"({"a":null,"b":null,"c":[null,1.5e3,-2]})");
  EXPECT_EQ(clean_json(R"("a\u0000b\ud800c\ud83c\udf4e\\u0000")"),
            "\"ab\xEF\xBF\xBD"
            R"(c\ud83c\udf4e\\u0000")");
  EXPECT_EQ(clean_json(R"({"NaN":"NaN"})"), R"({"NaN":"NaN"})");
  for (const char* wrong : {"", "{", "[1,]", "nul", "\"a", "{\"a\":}", "1 2", "\"\\"}) {
    EXPECT_EQ(clean_json(wrong), std::nullopt) << wrong;
  }
  EXPECT_EQ(clean_json(std::string(100'000, '[') + std::string(100'000, ']')), std::nullopt);
}

TEST(WordsOfName, SplitsAtSeparators) {
  EXPECT_EQ(words_of_name("a/b/red_apple-2.final.jpg"), "red apple 2 final");
  EXPECT_EQ(words_of_name("IMG 001.jpg"), "IMG 001");
  EXPECT_EQ(words_of_name("__.jpg"), "");
  EXPECT_EQ(words_of_name("苹果_红.png"), "苹果 红");
}

}  // namespace
}  // namespace pgmmr
