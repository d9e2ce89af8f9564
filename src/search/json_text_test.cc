#include "search/json_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace pgmmr {
namespace {

template <typename Value>
std::string written(const Value& value) {
  std::string json;
  append_json(json, value);
  return json;
}

// nlohmann's writer is the specification.
TEST(JsonText, WritesStringsAsTheLibraryDoes) {
  std::vector<std::string> texts = {
      "",     "red apple",    "红苹果",     "a\"b",   "a\\b",
      "a\nb", "\x7F",         "\xFF\xFE",   "a\xC3",  "😀",
      "</p>", "\xED\xA0\x80", "\xC0\xAF x", "\u2028", std::string("a\0b", 3)};
  for (int c = 0; c < 256; ++c) texts.emplace_back(1, static_cast<char>(c));
  for (const std::string& text : texts) {
    EXPECT_EQ(written(std::string_view(text)),
              nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
}

TEST(JsonText, WritesSixDigits) {
  EXPECT_EQ(written(0.032522474881015335), "0.0325225");
  EXPECT_EQ(written(-0.25), "-0.25");
  EXPECT_EQ(written(1.0), "1.0");
  EXPECT_EQ(written(0.99999999), "1.0");
  EXPECT_EQ(written(0.0), "0.0");
  EXPECT_EQ(written(1e-9), "1e-09");
  EXPECT_EQ(written(1234567.0), "1.23457e+06");
  EXPECT_EQ(written(std::nan("")), "null");
  EXPECT_EQ(written(std::numeric_limits<double>::infinity()), "null");
  for (const double value : {0.1, 1.0 / 3, 2e-5, 123.456789, -7.0}) {
    EXPECT_NEAR(nlohmann::json::parse(written(value)).get<double>(), value, std::abs(value) * 1e-5);
  }
}

}  // namespace
}  // namespace pgmmr
