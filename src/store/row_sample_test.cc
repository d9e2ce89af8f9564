// Who asks and what the scan reads, on a real server.
#include "store/row_sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "store/embedding_scan.h"
#include "store/ledger.h"
#include "support/database.h"

namespace pgmmr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using testing::UnorderedElementsAre;

class RowSampling : public testing::Test {
 protected:
  RowSampling() {
    Collection made;
    made.name = "fruit";
    made.model_id = "demo";
    made.dim = 2;
    made.columns = {{"title", "text"}, {"names", "text[]"}, {"n", "bigint"}};
    create_collection(connection, made);
    collection = get_collection(connection, "fruit");
    plan_chunks(connection, "fruit", "s", {{"1", "{}", 4}});
    auto claim = ChunkClaim::next(connection, collection, "s");
    using Names = std::vector<std::string>;
    claim->store({row("apple", std::string("red \"apple\""), Names{"apple", "", "pomme"}, 1),
                  row("blank", std::string(" \t"), Names{" "}, 1),
                  row("cherry", std::string("樱桃"), Names{}, 2), row("nothing", {}, {}, {})});
    claim->done();
  }

  static StoredRow row(const std::string& key, CellValue title, CellValue names, CellValue n) {
    StoredRow made;
    made.key = key;
    made.values = {std::move(title), std::move(names), std::move(n)};
    made.image_uri = "/" + key;
    made.width = made.height = 1;
    made.embedding = {1, static_cast<float>(key.size())};
    return made;
  }

  static std::vector<std::string> keys(const RowSample& sample) {
    std::vector<std::string> found;
    for (const auto& one : sample.rows) found.push_back(one.key);
    return found;
  }

  std::string refusal(const SampleConditions& conditions) {
    try {
      sample_captions(connection, collection, "title", conditions, 10);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
      return error.what();
    }
    return "no error";
  }

  test::TemporaryDatabase database;
  Connection connection = database.connect();
  Collection collection;
};

TEST_F(RowSampling, TakesTheTextsThatSaySomething) {
  const RowSample titles = sample_captions(connection, collection, "title", {}, 10);
  EXPECT_EQ(titles.able, 2);
  EXPECT_THAT(keys(titles), UnorderedElementsAre("apple", "cherry"));
  for (const auto& one : titles.rows) {
    EXPECT_THAT(one.texts, ElementsAre(one.key == "apple" ? "red \"apple\"" : "樱桃"));
  }
  const RowSample names = sample_captions(connection, collection, "names", {}, 10);
  ASSERT_THAT(keys(names), ElementsAre("apple"));
  EXPECT_THAT(names.rows[0].texts, ElementsAre("apple", "pomme"));
}

TEST_F(RowSampling, AsksOfTheSearchedRowsThatMeetTheCondition) {
  EXPECT_THAT(keys(sample_captions(connection, collection, "title", {"n = 1", ""}, 10)),
              ElementsAre("apple"));
  EXPECT_THAT(keys(sample_captions(connection, collection, "title", {"n > 0", "t.n > 1"}, 10)),
              ElementsAre("cherry"));
  EXPECT_THAT(keys(sample_captions(connection, collection, "title", {"n = 1", "n = 2"}, 10)),
              IsEmpty());
  EXPECT_EQ(count_rows(connection, collection, "n = 1 -- both"), 2);
}

TEST_F(RowSampling, FindsRowsWithPartnersAmongTheSearched) {
  const RowSample all = sample_partners(connection, collection, "n", {}, 10);
  EXPECT_THAT(keys(all), UnorderedElementsAre("apple", "blank"));
  EXPECT_EQ(all.rows[0].label, "1");
  EXPECT_EQ(all.rows[0].embedding, (std::vector<float>{1, 5}));
  // Its partner is searched, it is not.
  EXPECT_THAT(keys(sample_partners(connection, collection, "n", {"key = 'blank'", ""}, 10)),
              ElementsAre("apple"));
}

TEST_F(RowSampling, PicksBySha256OfTheKey) {
  std::vector<std::string> expected = {"apple", "blank", "cherry", "nothing"};
  std::ranges::sort(expected, {}, sha256_hex);
  for (int limit = 1; limit <= 4; ++limit) {
    const RowSample sample = sample_embeddings(connection, collection, "", limit);
    EXPECT_EQ(keys(sample), std::vector<std::string>(expected.begin(), expected.begin() + limit));
    EXPECT_EQ(sample.able, 4);
  }
}

TEST_F(RowSampling, RefusesConditionsAsTheServerDoes) {
  EXPECT_THAT(refusal({"nonsense = 1", ""}),
              StartsWith("evaluating fruit where nonsense = 1: column \"nonsense\""));
  EXPECT_THAT(refusal({"n = 1", "m = 1"}), StartsWith("evaluating fruit where m = 1: column"));
  EXPECT_THAT(refusal({"true); DROP TABLE fruit; SELECT (true", ""}),
              HasSubstr("cannot insert multiple commands"));
  EXPECT_THAT(refusal({"pg_read_file('/etc/passwd') <> ''", ""}), HasSubstr("permission denied"));
  EXPECT_THROW(EmbeddingScan(connection, collection, "n = 'a'"), Error);
}

TEST_F(RowSampling, KnowsKeysThatAreThereAndSearched) {
  const KnownKeys known =
      known_keys(connection, collection, {"apple", "none", "cherry", "nothing"}, "n = 1");
  EXPECT_THAT(known.there, ElementsAre(true, false, true, true));
  EXPECT_THAT(known.searched, ElementsAre(true, false, false, false));
}

TEST_F(RowSampling, ScansKeysLabelsAndEmbeddings) {
  EmbeddingScan scan(connection, collection, "n IS NULL OR n = 2", "n");
  EXPECT_EQ(scan.rows(), 2);
  const EmbeddingBlock block = scan.next();
  ASSERT_THAT(block.keys, UnorderedElementsAre("cherry", "nothing"));
  const std::size_t cherry = block.keys[0] == "cherry" ? 0 : 1;
  EXPECT_EQ(block.labels[cherry], "2");
  EXPECT_EQ(block.labels[1 - cherry], std::nullopt);
  EXPECT_EQ(block.embeddings[2 * cherry + 1], 6);
  EXPECT_EQ(block.embeddings[2 * (1 - cherry) + 1], 7);
  EXPECT_THAT(scan.next().keys, IsEmpty());
}

}  // namespace
}  // namespace pgmmr
