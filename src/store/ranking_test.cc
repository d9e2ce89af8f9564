#include "store/ranking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "store/ledger.h"
#include "support/database.h"

namespace pgmmr {
namespace {

using test::TemporaryDatabase;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> keys(const std::vector<RankedRow>& rows) {
  std::vector<std::string> found;
  for (const auto& row : rows) found.push_back(row.key);
  return found;
}

std::vector<float> unit(float x, float y, float z) {
  const float length = std::sqrt(x * x + y * y + z * z);
  return {x / length, y / length, z / length};
}

class Ranking : public testing::Test {
 protected:
  Ranking() {
    Collection made;
    made.name = "fruit";
    made.model_id = "demo";
    made.dim = 3;
    made.columns = {{"title", "text"}, {"n", "bigint"}, {"words", "text"}};
    made.captions = {{"title", "english"}, {"words", "icu"}};
    create_collection(connection, made);
    collection = get_collection(connection, "fruit");
    plan_chunks(connection, "fruit", "s", {{"1", "{}", 5}});
    auto claim = ChunkClaim::next(connection, collection, "s");
    claim->store({row("apple", "a red apple", 1, unit(1, 0, 0), "红 苹果"),
                  row("car", "red cars in the street", 2, unit(0, 1, 0), "红 汽车"),
                  row("green", "the green apples", 3, unit(1, 0.1F, 0), "绿 苹果"),
                  row("sky", "blue sky", 4, unit(0, 0, 1), "蓝天"),
                  row("twin", "blue sky", 5, unit(0, 0, 1), "蓝天")});
    claim->done();
    finish_indexes(connection, "fruit");
  }
  static StoredRow row(const std::string& key, const std::string& title, std::int64_t n,
                       std::vector<float> embedding, const std::string& words) {
    StoredRow made;
    made.key = key;
    made.values = {title, n, words};
    made.image_uri = "/pictures/" + key + ".png";
    made.width = 8;
    made.height = 6;
    made.caption_words = words;
    made.embedding = std::move(embedding);
    return made;
  }
  std::vector<RankedRow> keyword(const std::string& text, const std::string& words = "") {
    return rank(
        connection, collection,
        {.mode = RankingMode::kKeyword, .embedding = {}, .text = text, .text_words = words});
  }
  std::string refusal(const std::string& where) {
    try {
      rank(connection, collection,
           {.mode = RankingMode::kVector, .embedding = unit(1, 0, 0), .where = where});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument) << error.what();
      return error.what();
    }
    return "no error";
  }

  TemporaryDatabase database;
  Connection connection = database.connect();
  Collection collection;
};

TEST_F(Ranking, OrdersByCosineAndBreaksTiesByKey) {
  const auto found =
      rank(connection, collection, {.mode = RankingMode::kVector, .embedding = unit(0, 0, 1)});
  EXPECT_THAT(keys(found), ElementsAre("sky", "twin", "apple", "car", "green"));
  EXPECT_NEAR(found[0].score, 1, 1e-3);
  EXPECT_EQ(found[0].similarity, found[0].score);
  EXPECT_EQ(found[1].vector_rank, 2);
  EXPECT_FALSE(found[1].keyword_rank);
  EXPECT_EQ(found[0].image_uri, "/pictures/sky.png");
  EXPECT_EQ(found[0].width, 8);
  EXPECT_EQ(found[0].fields, R"({"title":"blue sky","n":4,"words":"蓝天"})");
}

TEST_F(Ranking, RowsWithAllWordsComeBeforeRowsWithSome) {
  // Of equal matches the shorter caption comes first, then the lower key.
  EXPECT_THAT(keys(keyword("red apple")), ElementsAre("apple", "green", "car"));
  EXPECT_THAT(keys(keyword("apple -red")), ElementsAre("green"));
  EXPECT_THAT(keys(keyword("\"red car\"")), ElementsAre("car"));
  EXPECT_THAT(keys(keyword("sky or street")), ElementsAre("sky", "twin", "car"));
  EXPECT_THAT(keyword("the"), IsEmpty());
  EXPECT_THAT(keyword("nothing like it"), IsEmpty());
}

TEST_F(Ranking, FindsWordsOfScriptsWithoutSpaces) {
  EXPECT_THAT(keys(keyword("苹果", "苹果")), ElementsAre("apple", "green"));
  EXPECT_THAT(keys(keyword("红苹果", "\"红 苹果\"")), ElementsAre("apple"));
}

TEST_F(Ranking, FusesByReciprocalRank) {
  const auto found =
      rank(connection, collection,
           {.mode = RankingMode::kHybrid, .embedding = unit(1, 0, 0), .text = "apple", .limit = 2});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].key, "apple");
  // 1/(60 + rank) of each ranking.
  EXPECT_NEAR(found[0].score,
              1.0 / (60 + *found[0].vector_rank) + 1.0 / (60 + *found[0].keyword_rank), 1e-9);
  EXPECT_EQ(found[1].key, "green");
  const auto one_arm =
      rank(connection, collection,
           {.mode = RankingMode::kHybrid, .embedding = unit(0, 0, 1), .text = "the"});
  EXPECT_EQ(one_arm.size(), 5u) << "stop words leave the vector's ranking";
  EXPECT_NEAR(one_arm[0].score, 1.0 / 61, 1e-9);
}

TEST_F(Ranking, FiltersAndLeavesOut) {
  const auto found = rank(connection, collection,
                          {.mode = RankingMode::kVector,
                           .embedding = unit(1, 0, 0),
                           .where = "n > 1 -- not the first",
                           .exclude_key = "green"});
  EXPECT_THAT(keys(found), ElementsAre("car", "sky", "twin"));
}

TEST_F(Ranking, AConditionCannotDoAnythingElse) {
  EXPECT_THAT(refusal("nosuch = 1"), HasSubstr("nosuch"));
  EXPECT_THAT(refusal("true); DELETE FROM fruit; SELECT (true"), HasSubstr("multiple commands"));
  EXPECT_THAT(refusal("true) --"), HasSubstr("syntax error"));
  EXPECT_THAT(refusal("pg_read_file('PG_VERSION') = '15'"), HasSubstr("permission denied"));
  EXPECT_THAT(refusal("lo_export(1, '/tmp/pgmmr-export') = 1"), HasSubstr("permission denied"));
  EXPECT_THAT(refusal("nextval('pgmmr.chunk_position_seq') > 0"), HasSubstr("permission denied"));
  EXPECT_THAT(refusal("set_config('transaction_read_only', 'off', true) = 'off'"),
              HasSubstr("transaction read-write mode"));
  EXPECT_EQ(connection.execute("SELECT count(*) FROM fruit").number(0, 0), 5);
}

TEST_F(Ranking, ConditionsAreOneStatementInPsqlToo) {
  EXPECT_THROW(connection.execute("SELECT * FROM pgmmr.search('fruit', 'apple', \"where\" => "
                                  "'true); DELETE FROM fruit; SELECT (true')"),
               Error);
  EXPECT_EQ(connection.execute("SELECT count(*) FROM fruit").number(0, 0), 5);
}

TEST_F(Ranking, ReadsAStoredEmbeddingAndSearchesLikeIt) {
  const auto stored = stored_embedding(connection, collection, "green");
  ASSERT_TRUE(stored);
  EXPECT_NEAR((*stored)[0], unit(1, 0.1F, 0)[0], 5e-4);
  EXPECT_FALSE(stored_embedding(connection, collection, "none"));
  const Result like = connection.execute("SELECT key FROM pgmmr.search_like('fruit', 'green')");
  EXPECT_EQ(like.rows(), 4);
  EXPECT_EQ(like.text(0, 0), "apple");
}

TEST_F(Ranking, SaysWhatIsWrongWithAQuery) {
  EXPECT_THROW(rank(connection, collection, {.mode = RankingMode::kVector, .embedding = {1, 0}}),
               Error);
  EXPECT_THROW(rank(connection, collection,
                    {.mode = RankingMode::kVector, .embedding = unit(1, 0, 0), .limit = 0}),
               Error);
  EXPECT_THROW(connection.execute("SELECT * FROM pgmmr.search('nosuch', 'x')"), Error);
}

TEST_F(Ranking, LeavesTheSessionsSettingsAlone) {
  Connection fresh = database.connect();
  fresh.execute("SET hnsw.ef_search = 77");
  fresh.execute("SELECT * FROM pgmmr.search('fruit', query_embedding => '[1,0,0]')");
  EXPECT_EQ(fresh.execute("SHOW hnsw.ef_search").text(0, 0), "77");
}

}  // namespace
}  // namespace pgmmr
