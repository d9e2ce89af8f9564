#include "http/base64.h"

#include <gtest/gtest.h>

#include <random>

namespace pgmmr {
namespace {

// RFC 4648, section 10.
TEST(Base64, KnowsTheRfcsExamples) {
  const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : examples) {
    EXPECT_EQ(encode_base64(plain), coded);
    EXPECT_EQ(decode_base64(coded), plain);
  }
}

TEST(Base64, ReadsBothAlphabetsWithAndWithoutPadding) {
  EXPECT_EQ(decode_base64("-_-_"), decode_base64("+/+/"));
  EXPECT_EQ(decode_base64("Zm8"), "fo");
  EXPECT_EQ(decode_base64("Zm\r\n 9v"), "foo");
}

TEST(Base64, RefusesTheRest) {
  for (const char* bad :
       {"Z", "Zg=", "Zg===", "=", "Zm9v=", "Zm=v", "Zm9v!", "\xC3\xA9==", "Zm9vZ"}) {
    EXPECT_FALSE(decode_base64(bad).has_value()) << bad;
  }
}

TEST(Base64, ComesBackFromAnyBytes) {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    std::string bytes(random() % 100, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
  }
}

TEST(DataUrl, IsReadWhereItIsBase64) {
  EXPECT_EQ(decode_data_url("data:image/png;base64,Zm9v"), "foo");
  EXPECT_EQ(decode_data_url("data:;base64,Zm9v"), "foo");
  EXPECT_FALSE(decode_data_url("data:text/plain,foo"));
  EXPECT_FALSE(decode_data_url("data:image/png;base64"));
  EXPECT_FALSE(decode_data_url("http://x/;base64,Zm9v"));
}

}  // namespace
}  // namespace pgmmr
