#include "search/keyword_text.h"

#include <gtest/gtest.h>

namespace pgmmr {
namespace {

TEST(SegmentedQuery, KeepsTheOperatorsOfWebSearch) {
  EXPECT_EQ(segmented_query("red apple"), "red apple");
  EXPECT_EQ(segmented_query("Red or green -apple"), "red or green -\"apple\"");
  EXPECT_EQ(segmented_query("\"red apple\" pie"), "\"red apple\" pie");
  EXPECT_EQ(segmented_query("pie -\"red apple\""), "pie -\"red apple\"");
  EXPECT_EQ(segmented_query("my t-shirt"), "my t shirt");
}

TEST(SegmentedQuery, SplitsScriptsWithoutSpacesInsideThem) {
  EXPECT_EQ(segmented_query("红色的苹果"), "红色 苹果");
  EXPECT_EQ(segmented_query("苹果 -汽车"), "苹果 -\"汽车\"");
  EXPECT_EQ(segmented_query("\"红色的苹果\""), "\"红色 苹果\"");
}

TEST(SegmentedQuery, SurvivesSyntaxThatMeansNothing) {
  EXPECT_EQ(segmented_query(""), "");
  EXPECT_EQ(segmented_query("-"), "");
  EXPECT_EQ(segmented_query("- a"), "a");
  EXPECT_EQ(segmented_query("-\""), "");
  EXPECT_EQ(segmented_query("\"\""), "");
  EXPECT_EQ(segmented_query("\"open"), "\"open\"");
  EXPECT_EQ(segmented_query("--a"), "-\"a\"");
}

TEST(Without, ForbidsAPhrase) {
  EXPECT_EQ(without("apple", ""), "apple");
  EXPECT_EQ(without("apple", "  "), "apple");
  EXPECT_EQ(without("apple", "red \"thing\""), "apple -\"red  thing \"");
  EXPECT_EQ(without("\"apple", "red"), "\"apple\" -\"red\"");
}

}  // namespace
}  // namespace pgmmr
