#include "store/embedded_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "store/ledger.h"
#include "store/schema.h"
#include "support/database.h"
#include "support/places.h"

namespace pgmmr {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

struct OpenFolder : test::TemporaryFolder {
  OpenFolder() {
    fs::permissions(path(), fs::perms::group_exec | fs::perms::others_exec, fs::perm_options::add);
  }
};

// Stops what a test started, also where it failed.
struct Stopped {
  EmbeddedServer& server;
  ~Stopped() {
    try {
      server.stop();
    } catch (const Error&) {
    }
  }
};

TEST(EmbeddedServer, SurvivesAKillDuringCopyWithExactCounts) {
  const OpenFolder folder;
  // A killed process loses no page that the kernel has: fsync would only cost time here.
  EmbeddedServer server(folder.path() / "postgres", {.ends_with_process = true, .durable = false});
  const Stopped stopped{server};
  server.start();
  {
    Connection connection(server.url());
    migrate(connection);
    Collection collection;
    collection.name = "c";
    collection.dim = 2;
    create_collection(connection, collection);
    collection = get_collection(connection, "c");
    plan_chunks(connection, "c", "s", {{"1", "{}", 100}, {"2", "{}", 100}});
    std::vector<StoredRow> rows(100);
    for (int chunk = 0; chunk < 2; ++chunk) {
      auto claim = ChunkClaim::next(connection, collection, "s");
      for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i].key = std::to_string(chunk) + "/" + std::to_string(i);
        rows[i].embedding = {1, 0};
      }
      claim->store(rows);
      if (chunk == 0) {
        claim->done();
        continue;
      }
      const int postmaster = server.status().pid;
      ASSERT_GT(postmaster, 0);  // 0 would be this whole process group
      kill(postmaster, SIGKILL);
      EXPECT_THROW(
          {
            claim->store(rows);
            claim->done();  // may be quicker than the signal
            for (int i = 0; i < 200; ++i) connection.execute("SELECT pg_sleep(0.05)");
          },
          std::exception);
    }
  }
  // The signal takes its moment.
  for (int i = 0; i < 200 && server.status().running; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_FALSE(server.status().running);
  server.start();
  Connection connection(server.url());
  const auto counts = count_chunks(connection, "c", "s");
  // Where the commit was quicker than the signal, it holds the chunk's rows too.
  EXPECT_EQ(count_collection(connection, "c").rows, counts.chunks_done * 100);
  EXPECT_EQ(counts.chunks_done + counts.chunks_open, 2);
  EXPECT_GE(counts.chunks_done, 1);
}

TEST(EmbeddedServer, SeveralStartersShareOneAndAStalePidFileIsNoObstacle) {
  const OpenFolder folder;
  // A path too long for a socket, with a quote for the connection string.
  const fs::path directory = folder.path() / ("it's " + std::string(100, 'x'));
  EmbeddedServer server(directory, {.ends_with_process = true, .durable = false});
  const Stopped stopped{server};
  server.start();
  const int pid = server.status().pid;
  EmbeddedServer second(directory);
  second.start();
  EXPECT_EQ(second.status().pid, pid);
  EXPECT_EQ(Connection(second.url()).execute("SELECT current_database()").text(0, 0), "pgmmr");
  server.stop();
  EXPECT_FALSE(second.status().running);
  // The number of a living process that is no PostgreSQL of this folder.
  std::ofstream(server.data() / "postmaster.pid") << getpid() << "\n" << server.data().string();
  EXPECT_FALSE(server.status().running);
  server.start();
  EXPECT_TRUE(server.status().running);
}

TEST(EmbeddedServer, RefusesAFolderOfAnotherVersion) {
  const OpenFolder folder;
  fs::create_directories(folder.path() / "postgres/data");
  std::ofstream(folder.path() / "postgres/data/PG_VERSION") << "11\n";
  if (geteuid() == 0) {
    fs::remove_all(folder.path() / "postgres");
    EmbeddedServer maker(folder.path() / "postgres", {.ends_with_process = true, .durable = false});
    maker.start();
    maker.stop();
    std::ofstream(maker.data() / "PG_VERSION") << "11\n";
  }
  EmbeddedServer server(folder.path() / "postgres");
  try {
    server.start();
    FAIL() << "started";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("version 11"));
  }
}

TEST(Connection, NeverShowsAPassword) {
  for (const char* url :
       {"postgresql://u:s3cret@127.0.0.1:1/d", "host=127.0.0.1 port=1 password=s3cret",
        "postgresql//u:s3cret@h", "postgresql://u:s3cret@h:1,h2:1/d?x=y"}) {
    try {
      Connection connection{std::string(url)};
      ADD_FAILURE() << "connected";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), Not(HasSubstr("s3cret")));
    }
  }
  const auto split = split_password("postgresql://u:s3cret@h:5/d");
  EXPECT_EQ(split.password, "s3cret");
  // In libpq's own order of keywords.
  EXPECT_EQ(split.rest, "user='u' dbname='d' host='h' port='5'");
}

TEST(Connection, TellsKindsOfErrorsAndRefusesHalfATransaction) {
  const test::TemporaryDatabase database;
  Connection connection = database.connect();
  try {
    connection.execute("SELECT nosuch");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
  }
  EXPECT_EQ(connection.last_error().sqlstate, "42703");
  Transaction transaction(connection);
  EXPECT_THROW(connection.execute("SELECT 1/0"), Error);
  EXPECT_THROW(transaction.commit(), Error);
}

TEST(Schema, MigratesOnceAndRefusesANewerOne) {
  const test::TemporaryDatabase database(test::TemporaryDatabase::Setup::kEmpty);
  std::vector<std::jthread> several;
  for (int i = 0; i < 3; ++i) {
    several.emplace_back([&] {
      Connection one = database.connect();
      migrate(one);
    });
  }
  several.clear();
  Connection connection = database.connect();
  migrate(connection);
  connection.execute(
      "INSERT INTO pgmmr.migration (number, name, digest) VALUES (999, 'later', '')");
  try {
    migrate(connection);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("newer pgmmr"));
  }
}

// Ranking may change from one version to the next; what is in tables may not.
TEST(Schema, RunsChangedFunctionsAgainAndRefusesAnotherCatalogue) {
  const test::TemporaryDatabase database;
  Connection connection = database.connect();
  connection.run_script(
      "CREATE OR REPLACE FUNCTION pgmmr.exact_rows() RETURNS int LANGUAGE sql AS 'SELECT 7';"
      "UPDATE pgmmr.migration SET digest = 'earlier' WHERE name = '002_search'");
  migrate(connection);
  EXPECT_EQ(connection.execute("SELECT pgmmr.exact_rows()").text(0, 0), "20000");
  EXPECT_EQ(connection.execute("SELECT FROM pgmmr.migration WHERE digest = 'earlier'").rows(), 0);

  connection.execute("UPDATE pgmmr.migration SET digest = 'other' WHERE name = '001_catalogue'");
  try {
    migrate(connection);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("001_catalogue"));
  }
}

TEST(CollectionTable, NamesOfColumnsAreSafeAndUnique) {
  const auto names = column_names(
      {"key", "key_", "Größe", "", "", std::string(80, 'a'), std::string(81, 'a'), "a\"b", "ctid"});
  EXPECT_THAT(names, testing::ElementsAre("key_", "key__2", "Größe", "column", "column_2",
                                          std::string(63, 'a'), std::string(61, 'a') + "_2", "a\"b",
                                          "ctid_"));
}

TEST(CollectionTable, HoldsAnyColumnAndSaysWhatItCannotHold) {
  const test::TemporaryDatabase database;
  Connection connection = database.connect();
  Collection collection;
  collection.name = "My-pictures";
  collection.dim = 2;
  collection.columns = {{"a\"b'; DROP", "text[]"}, {"红", "jsonb"}};
  collection.captions = {{"a\"b'; DROP", "english"}};
  create_collection(connection, collection);
  EXPECT_EQ(get_collection(connection, "My-pictures").columns[0].name, "a\"b'; DROP");
  finish_indexes(connection, "My-pictures");
  const auto kind = [&](const Collection& one) {
    try {
      create_collection(connection, one);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::kInternal;
  };
  EXPECT_EQ(kind(collection), ErrorKind::kConflict);
  collection.name = "many";
  collection.columns.assign(1600, {"x", "text"});
  EXPECT_EQ(kind(collection), ErrorKind::kInvalidArgument);
  collection.columns = {{"n", "bigint"}};
  collection.captions = {{"n", "english"}};
  EXPECT_EQ(kind(collection), ErrorKind::kInvalidArgument);
  collection.captions.clear();
  collection.name = "1; DROP TABLE x";
  EXPECT_EQ(kind(collection), ErrorKind::kInvalidArgument);
  drop_collection(connection, "My-pictures");
  EXPECT_TRUE(list_collections(connection).empty());
}

TEST(CollectionTable, GetsItsVectorIndexPastTheSizeOfExactSearch) {
  const test::TemporaryDatabase database;
  Connection connection = database.connect();
  Collection collection;
  collection.name = "c";
  collection.dim = 3;
  create_collection(connection, collection);
  const std::string fill =
      "INSERT INTO c (key, image_uri, width, height, embedding) SELECT i, '', 1, 1, "
      "format('[%s,%s,1]', sin(i), cos(i))::halfvec FROM generate_series(";
  connection.execute(fill + "1, 20000) AS i");
  finish_indexes(connection, "c");
  EXPECT_FALSE(count_collection(connection, "c").has_vector_index);
  connection.execute(fill + "20001, 20001) AS i");
  finish_indexes(connection, "c");
  finish_indexes(connection, "c");
  EXPECT_TRUE(count_collection(connection, "c").has_vector_index);
}

}  // namespace
}  // namespace pgmmr
