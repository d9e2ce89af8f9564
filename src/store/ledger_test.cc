#include "store/ledger.h"

#include <gtest/gtest.h>

#include "support/database.h"

namespace pgmmr {
namespace {

using test::TemporaryDatabase;

Collection two_columns(const std::string& name) {
  Collection collection;
  collection.name = name;
  collection.model_id = "demo";
  collection.dim = 3;
  collection.columns = {{"title", "text"}, {"n", "smallint"}};
  collection.captions = {{"title", "english"}};
  collection.source = "/pictures";
  collection.stores_images = true;
  return collection;
}

StoredRow row(const std::string& key, const std::string& title, std::int64_t n) {
  StoredRow made;
  made.key = key;
  made.values = {title, n};
  made.image_uri = "media:";
  made.width = 4;
  made.height = 2;
  made.embedding = {1, 0, 0};
  made.thumbnail = "thumb " + key;
  made.image = std::string("image\0 ", 7) + key;
  return made;
}

class Ledger : public testing::Test {
 protected:
  Ledger() {
    create_collection(connection, collection);
    collection = get_collection(connection, "c");
    plan_chunks(connection, "c", "/pictures", {{"one", "{\"a\":1}", 2}, {"two", "{}", 3}});
  }
  ChunkClaim claim() {
    auto found = ChunkClaim::next(connection, collection, "/pictures");
    EXPECT_TRUE(found);
    return std::move(*found);
  }
  std::int64_t number(const std::string& sql) { return connection.execute(sql).number(0, 0); }

  TemporaryDatabase database;
  Connection connection = database.connect();
  Collection collection = two_columns("c");
};

TEST_F(Ledger, CommitsRowsRejectsAndDoneTogether) {
  {
    auto undone = claim();
    EXPECT_EQ(undone.chunk().id, "one");
    EXPECT_EQ(undone.chunk().payload, "{\"a\":1}");
    undone.store({row("a", "red", 1)});
    undone.reject("b", "no picture");
  }
  EXPECT_EQ(number("SELECT count(*) FROM c"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM pgmmr.reject"), 0);
  auto again = claim();
  EXPECT_EQ(again.chunk().id, "one");
  again.store({row("a", "red", 1)});
  again.reject("b", "no picture");
  again.done();
  EXPECT_EQ(number("SELECT count(*) FROM c"), 1);
  const auto counts = count_chunks(connection, "c", "/pictures");
  EXPECT_EQ(counts.chunks_done, 1);
  EXPECT_EQ(counts.chunks_open, 1);
  EXPECT_EQ(counts.rows_done, 2);
  EXPECT_EQ(counts.rows_open, 3);
  EXPECT_EQ(stored_image(connection, "c", "a"), std::string("image\0 a", 8));
  EXPECT_EQ(stored_thumbnail(connection, "c", "a"), "thumb a");
  EXPECT_EQ(image_uri(connection, "c", "a"), "media:");
  EXPECT_FALSE(image_uri(connection, "c", "b"));
}

TEST_F(Ledger, GivesEachWorkerAnotherChunk) {
  auto first = claim();
  Connection other = database.connect();
  auto second = ChunkClaim::next(other, collection, "/pictures");
  ASSERT_TRUE(second);
  EXPECT_NE(second->chunk().id, first.chunk().id);
  Connection third = database.connect();
  EXPECT_FALSE(ChunkClaim::next(third, collection, "/pictures"));
}

TEST_F(Ledger, KeepsTheLastOfAKeyAndReplacesOlderRows) {
  auto one = claim();
  one.store({row("a", "first", 1), row("b", "other", 2), row("a", "second", 3)});
  one.done();
  auto two = claim();
  two.store({row("b", "newer", 4)});
  two.done();
  EXPECT_EQ(connection.execute("SELECT string_agg(key || title || n, ' ' ORDER BY key) FROM c")
                .text(0, 0),
            "asecond3 bnewer4");
}

TEST_F(Ledger, RefusesARowAndKeepsItsNeighbours) {
  auto one = claim();
  std::vector<StoredRow> rows;
  for (int i = 0; i < 20; ++i) rows.push_back(row("k" + std::to_string(i), "t", i));
  rows[3].values[1] = std::int64_t{40000};       // no smallint
  rows[7].values[0] = std::string("a\0b", 3);    // no text
  rows[11].values[0] = std::string("\xff\xfe");  // no UTF-8
  rows[12].key = std::string(3000, 'k');         // no index entry
  rows[13].embedding[1] = 1e6f;                  // no half
  rows[14].key = "";
  const auto rejects = one.store(rows);
  one.done();
  EXPECT_EQ(rejects.size(), 6u);
  EXPECT_EQ(number("SELECT count(*) FROM c"), 14);
  EXPECT_EQ(number("SELECT count(*) FROM c_media"), 14);
  EXPECT_EQ(number("SELECT count(*) FROM pgmmr.reject"), 6);
  EXPECT_EQ(number("SELECT stored * 100 + rejected FROM pgmmr.chunk WHERE id = 'one'"), 1406);
  for (const auto& one_reject : list_rejects(connection, "c", 100)) {
    if (one_reject.key == "k3") {
      EXPECT_EQ(one_reject.reason, "column \"n\": 40000 is no smallint");
    }
  }
}

TEST_F(Ledger, AStoredKeyLosesItsOlderRejectAndARejectKeepsTheOlderRow) {
  auto one = claim();
  one.reject("a", "unreadable");
  one.store({row("b", "good", 1)});
  one.done();
  auto two = claim();
  two.store({row("a", "mended", 1)});
  two.reject("b", "now unreadable");
  two.done();
  const auto rejects = list_rejects(connection, "c", 10);
  ASSERT_EQ(rejects.size(), 1u);
  EXPECT_EQ(rejects[0].key, "b");
  EXPECT_EQ(number("SELECT count(*) FROM c"), 2);
}

TEST_F(Ledger, PlansOnlyNewChunksAndForgetsThoseThatAreGone) {
  EXPECT_EQ(plan_chunks(connection, "c", "/pictures", {{"two", "{}", 3}, {"new", "{}", 1}}), 1);
  auto one = claim();
  one.reject("x", "bad");
  one.done();
  prune_chunks(connection, "c", "/pictures", {"two", "new"});
  const auto counts = count_chunks(connection, "c", "/pictures");
  EXPECT_EQ(counts.chunks_open, 2);
  EXPECT_EQ(counts.chunks_done, 0);
  EXPECT_TRUE(list_rejects(connection, "c", 10).empty());
}

TEST_F(Ledger, LongSourcesAndKeysHaveNames) {
  const std::string source = "SELECT " + std::string(5000, 'x');
  plan_chunks(connection, "c", source, {{"s", "{}", 1}});
  auto one = ChunkClaim::next(connection, collection, source);
  ASSERT_TRUE(one);
  one->reject(std::string(5000, 'k') + "\xff", std::string(100000, 'r'));
  one->done();
  EXPECT_EQ(count_chunks(connection, "c", source).chunks_done, 1);
  EXPECT_EQ(list_rejects(connection, "c", 10).size(), 1u);
}

}  // namespace
}  // namespace pgmmr
