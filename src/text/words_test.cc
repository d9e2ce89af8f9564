#include "text/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <sstream>
#include <vector>

#include "base/file.h"

namespace pgmmr {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsSupersetOf;
using testing::Not;

std::vector<std::string> words(std::string_view text) {
  std::istringstream in(icu_words(text));
  return {std::istream_iterator<std::string>(in), {}};
}

// Boundaries inside a compound differ between versions of ICU's dictionaries, so only words that
// every dictionary has are asked for.
TEST(Words, SplitsChinese) {
  EXPECT_THAT(words("一只红色的苹果。"), IsSupersetOf({"红色", "苹果"}));
}

TEST(Words, LeavesParticlesOut) {
  EXPECT_THAT(words("红色的水果"), ElementsAre("红色", "水果"));
  EXPECT_THAT(words("テーブルの上のリンゴ"), Not(Contains("の")));
}

TEST(Words, SplitsJapanese) {
  EXPECT_THAT(words("テーブルの上のリンゴ"), IsSupersetOf({"テーブル", "リンゴ"}));
}

TEST(Words, SplitsThai) { EXPECT_THAT(words("สวัสดีครับ"), ElementsAre("สวัสดี", "ครับ")); }

TEST(Words, SplitsKoreanAtSpaces) {
  EXPECT_THAT(words("빨간 사과, 고양이!"), ElementsAre("빨간", "사과", "고양이"));
}

TEST(Words, KeepsOtherScriptsInsideWhole) {
  EXPECT_THAT(words("使用Photoshop制作"), IsSupersetOf({"使用", "photoshop", "制作"}));
}

TEST(Words, FoldsCaseAndWidth) {
  EXPECT_EQ(icu_words("ＰＨＯＴＯ ﾋﾟｶﾁｭｳ STRASSE Straße"), "photo ピカチュウ strasse strasse");
}

TEST(Words, DropsPunctuationAndSymbols) {
  EXPECT_EQ(icu_words("«cat»…  (dog) 🙂 + !"), "cat dog");
}

TEST(Words, NothingComesFromNothing) {
  EXPECT_EQ(icu_words(""), "");
  EXPECT_EQ(icu_words(" \n\t"), "");
  EXPECT_FALSE(needs_segmentation(""));
  EXPECT_FALSE(needs_segmentation("12 + 3 = 🙂"));
}

TEST(Words, TakesBadBytesAsBoundaries) {
  EXPECT_EQ(icu_words("red\xff\xc3 cat\xe7"), "red cat");
  EXPECT_EQ(icu_words("\xed\xa0\x80"), "");
  EXPECT_FALSE(needs_segmentation("\xe7\xba\xff\xff"));
  EXPECT_TRUE(needs_segmentation("\xff红\xe7"));
}

TEST(Words, AreUtf8) {
  for (const char* text : {"a\xf0\x9f", "\xc0\x80", "红\xe7色", "\xf5\x80\x80\x80z"}) {
    EXPECT_TRUE(is_utf8(icu_words(text)));
  }
}

TEST(Words, ScriptsWithoutSpacesNeedSegmentation) {
  for (const char* text : {"红色的苹果", "テーブル", "ひらがな", "빨간 사과", "แมวสีแดง", "ສະບາຍດີ",
                           "ភាសាខ្មែរ", "မြန်မာ", "ㄅㄆㄇ", "使用Photoshop制作"}) {
    EXPECT_TRUE(needs_segmentation(text)) << text;
  }
}

TEST(Words, ScriptsWithSpacesDoNot) {
  for (const char* text : {"a red apple", "красное яблоко", "κόκκινο μήλο", "تفاحة حمراء", "लाल सेब",
                           "Pikachu (ピカチュウ) is an Electric-type Pokémon"}) {
    EXPECT_FALSE(needs_segmentation(text)) << text;
  }
}

TEST(Words, MostlyMeansByWeightOfLetters) {
  EXPECT_TRUE(needs_segmentation("红色ab"));
  EXPECT_FALSE(needs_segmentation("红 abcdef"));
}

}  // namespace
}  // namespace pgmmr
