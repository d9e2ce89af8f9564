#include "search/hit_caption.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgmmr {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HitCaption : public testing::Test {
 protected:
  HitCaption() { collection_.captions = {{"title", "english"}, {"words", "icu"}}; }

  auto texts(const std::string& fields) {
    RankedRow hit;
    hit.fields = fields;
    return caption_texts(collection_, hit);
  }
  std::string caption(const std::string& fields, const std::string& query = "") {
    RankedRow hit;
    hit.fields = fields;
    return hit_caption(collection_, hit, query);
  }

  Collection collection_;
};

TEST_F(HitCaption, ReadsTextsAndLists) {
  EXPECT_THAT(texts(R"({"id":7,"words":["苹果","树"],"title":"an \"apple\"","more":1})"),
              ElementsAre(ElementsAre("an \"apple\""), ElementsAre("苹果", "树")));
  EXPECT_THAT(texts(R"({"title":null,"words":[]})"), ElementsAre(IsEmpty(), IsEmpty()));
  EXPECT_THAT(texts(R"({"title":5,"words":[1,null,"a",true]})"),
              ElementsAre(IsEmpty(), ElementsAre("a")));
}

TEST_F(HitCaption, LeavesWhatIsDeeperAlone) {
  EXPECT_THAT(texts(R"({"box":{"title":"no"},"list":[{"title":"no"},"no"],"title":"yes"})"),
              ElementsAre(ElementsAre("yes"), IsEmpty()));
  EXPECT_THAT(texts(R"({"title":{"en":"no"},"words":[["no"],{"a":"no"},"yes"]})"),
              ElementsAre(IsEmpty(), ElementsAre("yes")));
}

TEST_F(HitCaption, HasNoneInWhatIsNoObject) {
  for (const char* fields : {"", "{", "[\"a\"]", "\"title\"", "null", R"({"title":"a)"}) {
    EXPECT_THAT(texts(fields), ElementsAre(IsEmpty(), IsEmpty())) << fields;
  }
}

TEST_F(HitCaption, IsInTheQuerysScriptWhereThereIsOne) {
  const std::string both = R"({"title":"apple","words":["苹果","树"]})";
  EXPECT_EQ(caption(both), "apple");
  EXPECT_EQ(caption(both, "red"), "apple");
  EXPECT_EQ(caption(both, "红色"), "苹果 树");
  EXPECT_EQ(caption(R"({"title":"","words":["苹果"]})", "red"), "苹果");
  EXPECT_EQ(caption(R"({"title":"apple"})", "红色"), "apple");
  EXPECT_EQ(caption("{}"), "");
}

}  // namespace
}  // namespace pgmmr
