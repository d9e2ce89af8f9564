#include "search/hit_caption.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <random>

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

// Against a parser that builds a tree.
TEST_F(HitCaption, FindsWhatAParserFinds) {
  using nlohmann::json;
  std::mt19937 random(1);
  const auto below = [&](unsigned n) { return random() % n; };
  const char* const pieces[] = {"a", "\"", "\\", "{", "}", "[", "]", ",", ":", "苹果", "\n", " "};
  const auto text = [&] {
    std::string made;
    for (unsigned n = below(6); n > 0; --n) made += pieces[below(12)];
    return made;
  };
  const std::function<json(int)> value = [&](int depth) -> json {
    switch (below(depth > 2 ? 5 : 8)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 0;
      case 2:
        return static_cast<int>(below(1000)) / 8.0 - 20;
      case 3:
      case 4:
        return text();
      case 5: {
        json object = json::object();
        for (unsigned n = below(4); n > 0; --n)
          object[below(3) ? text() : "title"] = value(depth + 1);
        return object;
      }
      default: {
        json list = json::array();
        for (unsigned n = below(4); n > 0; --n) list.push_back(value(depth + 1));
        return list;
      }
    }
  };
  for (int round = 0; round < 2000; ++round) {
    json fields = json::object();
    for (unsigned n = below(4); n > 0; --n) fields[text()] = value(0);
    if (below(4) > 0) fields["title"] = value(0);
    if (below(4) > 0) fields["words"] = value(0);
    std::vector<std::vector<std::string>> expected;
    for (const CaptionColumn& caption : collection_.captions) {
      auto& found = expected.emplace_back();
      const json own = fields.value(caption.name, json());
      if (own.is_string()) found.push_back(own);
      for (const json& one : own.is_array() ? own : json::array()) {
        if (one.is_string()) found.push_back(one);
      }
    }
    const int indent = static_cast<int>(below(3)) - 1;
    EXPECT_EQ(texts(fields.dump(indent)), expected) << fields;
    EXPECT_EQ(texts(fields.dump(indent, ' ', true)), expected) << fields;
    // Cut short anywhere: no more than was there, and nothing read beyond.
    const std::string whole = fields.dump();
    const std::string part = whole.substr(0, below(static_cast<unsigned>(whole.size())));
    const auto found = texts(part);
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (!found[i].empty()) {
        EXPECT_EQ(found[i], expected[i]) << part;
      }
    }
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
