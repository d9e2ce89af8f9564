#include "eval/judgments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "support/places.h"

namespace pgmmr {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const std::string& lines) {
  try {
    parse_judgments(lines, "queries.jsonl");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    return error.what();
  }
  return "no error";
}

TEST(Judgments, ReadsWhatSearchTakes) {
  const auto found = parse_judgments(
      "{\"text\": \"红苹果\", \"not\": \"green\", \"relevant\": [\"b\", \"a\", \"b\"]}\r\n"
      "\n"
      "{\"image\": \"apple.png\", \"like\": \"c\", \"relevant\": [\"d\"]}",
      "queries.jsonl");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].line, 1);
  EXPECT_EQ(found[0].text, "红苹果");
  EXPECT_EQ(found[0].not_text, "green");
  EXPECT_THAT(found[0].relevant, ElementsAre("a", "b"));
  EXPECT_EQ(found[1].line, 3);
  EXPECT_EQ(found[1].image, "apple.png");
  EXPECT_EQ(found[1].like, "c");
}

TEST(Judgments, NamesTheLineThatBreaksTheRules) {
  const std::string good = "{\"text\": \"a\", \"relevant\": [\"b\"]}\n";
  EXPECT_THAT(refusal(good + "[]"), AllOf(HasSubstr("queries.jsonl, line 2: not a JSON object")));
  EXPECT_THAT(refusal("{\"text\": \"a\""), HasSubstr("not a JSON object"));
  EXPECT_THAT(refusal("{\"text\": \"\xFF\", \"relevant\": [\"b\"]}"), HasSubstr("not a JSON"));
  EXPECT_THAT(refusal("{\"text\": \"a\"}"), HasSubstr("no \"relevant\" keys"));
  EXPECT_THAT(refusal("{\"text\": \"a\", \"relevant\": []}"), HasSubstr("not a list with keys"));
  EXPECT_THAT(refusal("{\"text\": \"a\", \"relevant\": [7]}"), HasSubstr("is number, expected"));
  EXPECT_THAT(refusal("{\"text\": 3, \"relevant\": [\"b\"]}"), HasSubstr("\"text\" is number"));
  EXPECT_THAT(refusal("{\"texts\": \"a\", \"relevant\": [\"b\"]}"), HasSubstr("\"texts\" is none"));
  EXPECT_THAT(refusal("{\"not\": \"a\", \"relevant\": [\"b\"]}"), HasSubstr("nothing to search"));
  EXPECT_THAT(refusal(" \n\n"), HasSubstr("queries.jsonl: there are none"));
}

TEST(Judgments, FindsPicturesBesideTheFile) {
  const test::TemporaryFolder folder;
  const auto file = folder.path() / "queries.jsonl";
  write_file(file,
             "{\"image\": \"sub/apple.png\", \"relevant\": [\"a\"]}\n"
             "{\"image\": \"/pictures/pear.png\", \"relevant\": [\"a\"]}\n");
  const auto found = read_judgments(file);
  EXPECT_EQ(found.at(0).image, folder.path() / "sub/apple.png");
  EXPECT_EQ(found.at(1).image, "/pictures/pear.png");
  EXPECT_THROW(read_judgments(folder.path() / "none.jsonl"), Error);
}

}  // namespace
}  // namespace pgmmr
