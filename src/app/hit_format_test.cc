#include "app/hit_format.h"

#include <gtest/gtest.h>

namespace pgmmr {
namespace {

Collection captioned() {
  Collection collection;
  collection.columns = {{"name", "text"}, {"tags", "text[]"}, {"score", "bigint"}};
  collection.captions = {{"name", "english"}};
  return collection;
}

SearchResult one_hit(const std::string& name) {
  SearchResult result;
  RankedRow hit;
  hit.key = "a/b.jpg";
  hit.score = 0.5;
  hit.similarity = 0.25;
  hit.vector_rank = 1;
  hit.image_uri = "media:";
  hit.width = 3;
  hit.height = 2;
  hit.fields = R"({"name":")" + name + R"(","tags":["x","y"],"score":null})";
  result.hits = {hit};
  return result;
}

// Unicode's East Asian Width (UAX #11): wide letters take two cells, combining marks none.
TEST(DisplayWidth, CountsCellsNotBytes) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("苹果"), 4);
  EXPECT_EQ(display_width("e\xCC\x81"), 1);
  EXPECT_EQ(display_width("🍎"), 2);
  EXPECT_EQ(display_width("\xFF"), 1);
}

TEST(FitToWidth, CutsBetweenLettersWithAnEllipsis) {
  EXPECT_EQ(fit_to_width("abcdef", 6), "abcdef");
  EXPECT_EQ(fit_to_width("abcdef", 4), "abc…");
  EXPECT_EQ(fit_to_width("苹果苹果", 5), "苹果…");
  EXPECT_EQ(fit_to_width("苹果苹果", 4), "苹…");
  EXPECT_EQ(fit_to_width("abc", 0), "");
}

TEST(FitToWidth, LetsNothingMoveTheCursor) {
  EXPECT_EQ(fit_to_width("a\n\033[31mb\tc", 20), "a  [31mb c");
  EXPECT_EQ(fit_to_width("a\xE2\x80\xAE b", 20), "a  b");  // right-to-left override
}

TEST(HitsAsTable, FitsTheTerminal) {
  const std::string table =
      hits_as_table(captioned(), one_hit("a red apple on a very long wooden table"), {}, 40, false);
  EXPECT_EQ(table, "1   0.250  a red apple on a ve…  a/b.jpg\n");
  EXPECT_EQ(hits_as_table(captioned(), {}, {}, 40, false), "no hits\n");
}

// RFC 4180: quotes doubled inside quotes, lines end in CR LF. A column called like one of ours
// gets a _.
TEST(HitsAsCsv, QuotesWhatNeedsIt) {
  EXPECT_EQ(hits_as_csv(captioned(), one_hit(R"(a \"red\", apple)")),
            "rank,key,score,similarity,vector_rank,keyword_rank,image,width,height,name,tags,score_"
            "\r\n1,a/b.jpg,0.5,0.25,1,,media:,3,2,\"a \"\"red\"\", apple\",\"[\"\"x\"\",\"\"y\"\"]"
            "\",\r\n");
}

}  // namespace
}  // namespace pgmmr
