// Search on a real PostgreSQL, over pictures whose vectors are known: a number's colour.
#include "search/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "search/hit_caption.h"
#include "search/hit_picture.h"
#include "store/ledger.h"
#include "support/colour_encoder.h"
#include "support/database.h"

namespace pgmmr {
namespace {

using test::ColourEncoder;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kRows = 200;

std::string caption_of(int n) { return n % 2 == 0 ? "an even apple" : "an odd pear"; }

// Rows 0 to 199, "row/n" with the vector of picture n.
class Search : public testing::Test {
 protected:
  explicit Search(bool with_captions = true) {
    collection_.name = "numbers";
    collection_.model_id = encoder_.info().id;
    collection_.model_fingerprint = encoder_.info().fingerprint;
    collection_.dim = 4;
    collection_.columns = {{"number", "bigint"}, {"caption", "text"}, {"exact", "numeric"}};
    if (with_captions) collection_.captions = {{"caption", "english"}};
    collection_.source = "test";
    collection_.stores_images = true;
    create_collection(connection_, collection_);
    plan_chunks(connection_, "numbers", "test", {{"chunk", "{}", kRows}});
    auto claim = ChunkClaim::next(connection_, collection_, "test");
    std::vector<StoredRow> rows;
    for (int n = 0; n < kRows; ++n) {
      StoredRow row;
      row.key = "row/" + std::to_string(n);
      row.values = {std::int64_t{n}, caption_of(n), std::string("12345678901234567890.5")};
      row.image_uri = "media:";
      row.width = 6;
      row.height = 4;
      row.embedding = test::vector_of(n);
      rows.push_back(std::move(row));
    }
    EXPECT_TRUE(claim->store(rows).empty());
    claim->done();
    collection_ = get_collection(connection_, "numbers");
  }

  SearchResult run(const Query& query) {
    return search(connection_, collection_, &encoder_, query);
  }

  std::vector<int> numbers(const Query& query) {
    std::vector<int> found;
    for (const RankedRow& hit : run(query).hits) found.push_back(std::stoi(hit.key.substr(4)));
    return found;
  }

  std::string failure(const Query& query, ErrorKind expected, const Encoder* encoder) {
    try {
      search(connection_, collection_, encoder, query);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), expected) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }
  std::string failure(const Query& query, ErrorKind expected = ErrorKind::kInvalidArgument) {
    return failure(query, expected, &encoder_);
  }

  test::TemporaryDatabase database_;
  Connection connection_ = database_.connect();
  ColourEncoder encoder_;
  Collection collection_;
};

class SearchWithoutCaptions : public Search {
 protected:
  SearchWithoutCaptions() : Search(false) {}
};

// The plain way: every row's cosine with q, in double precision.
std::vector<int> nearest(std::vector<float> q, std::size_t count) {
  double length = 0;
  for (const float value : q) length += value * value;
  std::vector<std::pair<double, int>> all;
  for (int n = 0; n < kRows; ++n) {
    const auto v = test::vector_of(n);
    double dot = 0;
    for (std::size_t i = 0; i < 4; ++i) dot += q[i] * v[i] / std::sqrt(length);
    all.emplace_back(-dot, n);
  }
  std::sort(all.begin(), all.end());
  std::vector<int> numbers;
  for (std::size_t i = 0; i < count; ++i) numbers.push_back(all[i].second);
  return numbers;
}

std::vector<float> combined(const std::vector<std::pair<int, float>>& parts) {
  std::vector<float> sum(4);
  for (const auto& [n, weight] : parts) {
    const auto v = test::vector_of(n);
    for (std::size_t i = 0; i < 4; ++i) sum[i] += weight * v[i];
  }
  return sum;
}

TEST_F(Search, FindsWhatTheTextDescribesBest) {
  Query query;
  query.text = "123";
  query.mode = SearchMode::kVector;
  query.limit = 3;
  const SearchResult result = run(query);
  ASSERT_EQ(result.hits.size(), 3U);
  EXPECT_EQ(result.hits[0].key, "row/123");
  EXPECT_NEAR(result.hits[0].similarity.value(), 1, 1e-3);
  EXPECT_EQ(result.hits[0].vector_rank, 1);
  EXPECT_FALSE(result.hits[0].keyword_rank);
  EXPECT_EQ(numbers(query), nearest(test::vector_of(123), 3));
}

TEST_F(Search, FindsByPictureAndByRow) {
  Query query;
  query.picture = test::picture_of(57);
  query.limit = 2;
  EXPECT_EQ(numbers(query), nearest(test::vector_of(57), 2));
  Query like;
  like.like_key = "row/57";
  like.limit = 3;
  auto expected = nearest(test::vector_of(57), 4);
  expected.erase(expected.begin());  // itself
  EXPECT_EQ(numbers(like), expected);
}

TEST_F(Search, PartsOfAQueryWeighTheSame) {
  Query query;
  query.text = "39";
  query.picture = test::picture_of(111);
  query.mode = SearchMode::kVector;
  query.limit = 1;
  EXPECT_EQ(numbers(query), nearest(combined({{39, 1}, {111, 1}}), 1));
}

TEST_F(Search, StaysAwayFromWhatIsNotWanted) {
  Query query;
  query.text = "123";
  query.not_text = "3";
  query.mode = SearchMode::kVector;
  query.limit = 1;
  EXPECT_EQ(numbers(query), nearest(combined({{123, 1}, {3, -0.25F}}), 1));
}

TEST_F(Search, WordsRankByCaptionTooUnlessToldOtherwise) {
  Query query;
  query.text = "pear";
  const SearchResult result = run(query);
  EXPECT_EQ(result.mode, RankingMode::kHybrid);
  int by_keyword = 0;
  for (const RankedRow& hit : result.hits) by_keyword += hit.keyword_rank ? 1 : 0;
  EXPECT_GT(by_keyword, 0);
  query.not_text = "pear";
  for (const RankedRow& hit : run(query).hits) EXPECT_FALSE(hit.keyword_rank);
}

TEST_F(Search, KeywordsAndRowsNeedNoModel) {
  Query query;
  query.text = "pears";
  query.mode = SearchMode::kKeyword;
  query.limit = 500;
  EXPECT_FALSE(needs_encoder(collection_, query));
  const SearchResult result = search(connection_, collection_, nullptr, query);
  EXPECT_EQ(result.hits.size(), 100U);
  EXPECT_FALSE(result.hits[0].similarity);
  Query like;
  like.like_key = "row/1";
  EXPECT_FALSE(needs_encoder(collection_, like));
  EXPECT_EQ(search(connection_, collection_, nullptr, like).hits.size(), 10U);
}

TEST_F(Search, FiltersByCondition) {
  Query query;
  query.text = "123";
  query.where = "number < 3";
  query.mode = SearchMode::kVector;
  EXPECT_THAT(numbers(query), testing::UnorderedElementsAre(0, 1, 2));
  query.where = "nonsense = 1";
  EXPECT_THAT(failure(query), HasSubstr("nonsense"));
}

TEST_F(Search, RefusesQueriesThatMakeNoSense) {
  Query query;
  EXPECT_THAT(failure(query), HasSubstr("nothing to search for"));
  query.not_text = "red";
  EXPECT_THAT(failure(query), HasSubstr("nothing to search for"));
  query = {};
  query.text = "\xFF";
  EXPECT_THAT(failure(query), HasSubstr("not UTF-8"));
  query = {};
  query.text = "a";
  query.limit = 0;
  EXPECT_THAT(failure(query), HasSubstr("0 hits asked for, expected 1 to 10000"));
  query = {};
  query.like_key = "row/1";
  query.mode = SearchMode::kHybrid;
  EXPECT_THAT(failure(query), HasSubstr("hybrid mode needs words"));
  query.text = "a";
  query.mode = SearchMode::kKeyword;
  EXPECT_THAT(failure(query), HasSubstr("keyword mode reads words alone"));
  query = {};
  query.like_key = "row/1000";
  EXPECT_THAT(failure(query, ErrorKind::kNotFound), HasSubstr("no row with key row/1000"));
}

TEST_F(Search, RefusesAnotherModel) {
  const ColourEncoder other("other");
  Query query;
  query.text = "1";
  EXPECT_THAT(failure(query, ErrorKind::kConflict, &other),
              testing::AllOf(HasSubstr("made with model colour"), HasSubstr("not with other")));
}

TEST_F(SearchWithoutCaptions, RanksByVectorAlone) {
  Query query;
  query.text = "1";
  EXPECT_EQ(run(query).mode, RankingMode::kVector);
  query.mode = SearchMode::kKeyword;
  EXPECT_THAT(failure(query), HasSubstr("collection numbers has none"));
}

TEST_F(Search, ReadsTheCaptionOfAHit) {
  Query query;
  query.like_key = "row/1";
  query.limit = 1;
  const SearchResult result = run(query);
  EXPECT_THAT(hit_caption(collection_, result.hits.at(0), ""), HasSubstr("an "));
  EXPECT_THROW(hit_picture(connection_, collection_, result.hits.at(0)), Error);
}

TEST_F(Search, WritesFieldsAsTheDatabaseDoes) {
  Query query;
  query.like_key = "row/1";
  query.limit = 1;
  const std::string text = to_json(run(query), query);
  // A numeric of 21 digits would not survive a double.
  EXPECT_THAT(text, HasSubstr("\"exact\":12345678901234567890.5"));
  const auto json = nlohmann::ordered_json::parse(text);
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.at("hits").at(0).items()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("key", "score", "similarity", "vector_rank", "keyword_rank",
                                "image", "width", "height", "fields"));
}

TEST(SearchJson, HasTheContractsKeysInOrder) {
  SearchResult result;
  result.collection = "demo";
  result.encode_ms = 4.12;
  result.search_ms = 1.94;
  result.total_ms = 6.06;
  RankedRow hit;
  hit.key = "noto/1F34E";
  hit.score = 0.032522474881015335;
  hit.similarity = 0.3100000143051147;
  hit.vector_rank = 1;
  hit.keyword_rank = 2;
  hit.image_uri = "media:";
  hit.width = hit.height = 72;
  hit.fields = R"({"name_en":"red apple"})";
  result.hits = {hit};
  Query query;
  query.text = "red apple";
  EXPECT_EQ(to_json(result, query),
            R"({"collection":"demo","mode":"hybrid","query":{"text":"red apple"},)"
            R"("took_ms":{"encode":4.1,"search":1.9,"total":6.1},"hits":[)"
            R"({"key":"noto/1F34E","score":0.0325225,"similarity":0.31,"vector_rank":1,)"
            R"("keyword_rank":2,"image":"media:","width":72,"height":72,)"
            R"("fields":{"name_en":"red apple"}}]})");
  result.hits[0].similarity.reset();
  result.hits[0].vector_rank.reset();
  EXPECT_THAT(to_json(result, query), HasSubstr("\"similarity\":null,\"vector_rank\":null,"));
}

}  // namespace
}  // namespace pgmmr
