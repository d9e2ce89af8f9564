// Ingest on a real PostgreSQL, with pictures whose number can be read back from their vectors.
#include "ingest/ingest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <map>
#include <thread>

#include "ingest/ingest_fixture.h"
#include "store/embedded_server.h"
#include "store/ledger.h"
#include "store/ranking.h"
#include "support/database.h"
#include "support/places.h"

namespace pgmmr {
namespace {

using test::ColourEncoder;
using test::NumberDataset;
using test::TemporaryDatabase;
using testing::HasSubstr;

IngestOptions numbers(int workers = 3) {
  IngestOptions options;
  options.collection = "numbers";
  options.workers = workers;
  return options;
}

// The rows' numbers in order, after checking each row's vector, caption and key against its number.
std::vector<int> checked_rows(Connection& connection) {
  const Collection collection = get_collection(connection, "numbers");
  const Result rows =
      connection.execute("SELECT key, number, caption FROM numbers ORDER BY number");
  std::vector<int> found;
  for (int i = 0; i < rows.rows(); ++i) {
    const int n = static_cast<int>(rows.number(i, 1));
    const std::string key(rows.text(i, 0));
    EXPECT_EQ(key, "row/" + std::to_string(n));
    EXPECT_EQ(rows.text(i, 2), "picture " + std::to_string(n));
    const auto embedding = stored_embedding(connection, collection, key);
    EXPECT_EQ(embedding ? test::number_of(*embedding) : -1, n);
    found.push_back(n);
  }
  return found;
}

std::vector<int> all_but(int count, const std::set<int>& left_out) {
  std::vector<int> numbers;
  for (int n = 0; n < count; ++n) {
    if (!left_out.contains(n)) numbers.push_back(n);
  }
  return numbers;
}

std::string failure(const std::function<void()>& act, ErrorKind expected) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), expected) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(Ingest, EveryVectorBelongsToItsOwnRowWhateverFailsBesideIt) {
  const TemporaryDatabase database;
  NumberDataset dataset(400);
  ColourEncoder encoder;
  std::set<int> lost;
  for (int n = 3; n < 400; n += 7) dataset.broken.insert(n), lost.insert(n);
  for (int n = 5; n < 400; n += 31) dataset.missing.insert(n), lost.insert(n);
  for (const int n : {0, 17, 18, 99, 399}) encoder.refused.insert(n), lost.insert(n);

  const IngestReport report = ingest(database.url(), dataset, encoder, numbers());
  Connection connection = database.connect();
  EXPECT_EQ(checked_rows(connection), all_but(400, lost));
  EXPECT_EQ(report.stored, 400 - static_cast<int>(lost.size()));
  EXPECT_EQ(report.rejected, static_cast<int>(lost.size()));
  EXPECT_EQ(report.rejects_of_source, report.rejected);

  std::map<std::string, std::string> reasons;
  for (const Reject& reject : list_rejects(connection, "numbers", 1000)) {
    reasons[reject.key] = reject.reason;
  }
  EXPECT_EQ(reasons.size(), lost.size());
  EXPECT_EQ(reasons["row/5"], "no picture");
  EXPECT_THAT(reasons["row/10"], HasSubstr("row/10"));
  EXPECT_EQ(reasons["row/18"], "encoding pictures: a result is not finite");
}

TEST(Ingest, ASecondRunChangesNothing) {
  const TemporaryDatabase database;
  NumberDataset dataset(100);
  dataset.broken = {4};
  const ColourEncoder encoder;
  ingest(database.url(), dataset, encoder, numbers());
  Connection connection = database.connect();
  const auto versions = [&] {
    return std::string(
        connection
            .execute("SELECT string_agg(ctid::text || xmin::text, ' ' ORDER BY key) FROM numbers")
            .text(0, 0));
  };
  const std::string before = versions();
  const int encoded = encoder.encoded;

  const IngestReport report = ingest(database.url(), dataset, encoder, numbers());
  EXPECT_EQ(report.stored, 0);
  EXPECT_EQ(report.rejected, 0);
  EXPECT_EQ(report.unchanged, 100);
  EXPECT_EQ(report.rejects_of_source, 1);
  EXPECT_EQ(encoder.encoded, encoded);
  EXPECT_EQ(versions(), before);
}

TEST(Ingest, OnlyAChangedPartIsReadAgain) {
  const TemporaryDatabase database;
  NumberDataset dataset(100, 10);
  dataset.broken = {42};
  const ColourEncoder encoder;
  ingest(database.url(), dataset, encoder, numbers());
  dataset.broken.clear();

  const IngestReport report = ingest(database.url(), dataset, encoder, numbers());
  EXPECT_EQ(report.stored, 10);
  EXPECT_EQ(report.unchanged, 90);
  EXPECT_EQ(report.rejects_of_source, 0);
  Connection connection = database.connect();
  EXPECT_EQ(checked_rows(connection), all_but(100, {}));
}

TEST(Ingest, TheHeadOfASourceForgetsNothingOfTheRest) {
  const TemporaryDatabase database;
  const ColourEncoder encoder;
  ingest(database.url(), NumberDataset(100, 10), encoder, numbers());
  IngestOptions head = numbers();
  head.partial = true;
  EXPECT_EQ(ingest(database.url(), NumberDataset(20, 10), encoder, head).stored, 0);
  EXPECT_EQ(ingest(database.url(), NumberDataset(100, 10), encoder, numbers()).stored, 0);
}

TEST(Ingest, StopsBetweenChunksAndGoesOnLater) {
  const TemporaryDatabase database;
  const NumberDataset dataset(300, 20);
  ColourEncoder encoder;
  std::stop_source stop;
  const std::string message = failure(
      [&] {
        ingest(database.url(), dataset, encoder, numbers(2), stop.get_token(),
               [&](const IngestProgress& progress) {
                 if (progress.chunks_done >= 3) stop.request_stop();
               });
      },
      ErrorKind::kCancelled);
  EXPECT_THAT(message, HasSubstr("ingesting numbers into numbers: stopped; "));
  EXPECT_THAT(message, HasSubstr("running it again goes on from there"));

  Connection connection = database.connect();
  const auto stored = checked_rows(connection);
  EXPECT_GE(stored.size(), 60U);
  EXPECT_LT(stored.size(), 300U);
  EXPECT_EQ(stored.size() % 20, 0U);  // whole chunks only
  const IngestReport report = ingest(database.url(), dataset, encoder, numbers());
  EXPECT_EQ(report.stored, 300 - static_cast<int>(stored.size()));
  EXPECT_EQ(checked_rows(connection), all_but(300, {}));
}

TEST(Ingest, TwoAtOnceStoreEachRowOnce) {
  const TemporaryDatabase database;
  const NumberDataset dataset(400, 20);
  ColourEncoder encoder;
  encoder.delay_us = 1000;
  IngestReport reports[2];
  {
    std::vector<std::jthread> processes;
    for (IngestReport& report : reports) {
      processes.emplace_back(
          [&] { report = ingest(database.url(), dataset, encoder, numbers(2)); });
    }
  }
  EXPECT_EQ(reports[0].stored + reports[1].stored, 400);
  EXPECT_EQ(encoder.encoded, 400);
  Connection connection = database.connect();
  EXPECT_EQ(checked_rows(connection), all_but(400, {}));
}

TEST(Ingest, ADamagedChunkKeepsTheRowsBeforeTheDamage) {
  const TemporaryDatabase database;
  NumberDataset dataset(60, 20);
  dataset.damaged_from = 30;
  const ColourEncoder encoder;
  const IngestReport report = ingest(database.url(), dataset, encoder, numbers());
  EXPECT_EQ(report.stored, 50);
  Connection connection = database.connect();
  const auto rejects = list_rejects(connection, "numbers", 10);
  ASSERT_EQ(rejects.size(), 1U);
  EXPECT_EQ(rejects[0].key, "rows after row/29");
  EXPECT_EQ(rejects[0].reason,
            "numbers: a damaged page (10 of about 20 rows of this part were read)");
}

TEST(Ingest, KeepsPicturesAndThumbnailsThatComeInside) {
  const TemporaryDatabase database;
  const ColourEncoder encoder;
  ingest(database.url(), NumberDataset(20), encoder, numbers());
  Connection connection = database.connect();
  EXPECT_EQ(stored_image(connection, "numbers", "row/7"), test::png_of(7));
  EXPECT_EQ(stored_thumbnail(connection, "numbers", "row/7")->substr(0, 2), "\xFF\xD8");
  EXPECT_EQ(image_uri(connection, "numbers", "row/7"), "media:");
}

TEST(Ingest, RefersToFilesByUri) {
  const TemporaryDatabase database;
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "the 7% \xE7\x8C\xAB.png";
  std::ofstream(path, std::ios::binary) << test::png_of(7, 9, 5);
  IngestOptions options = numbers();
  const ColourEncoder encoder;
  const auto dataset = open_dataset(folder.path());
  ingest(database.url(), *dataset, encoder, options);
  Connection connection = database.connect();
  const Result row = connection.execute("SELECT image_uri, width, height FROM numbers");
  ASSERT_EQ(row.rows(), 1);
  EXPECT_TRUE(row.text(0, 0).starts_with("file:///"));
  EXPECT_TRUE(row.text(0, 0).ends_with("/the%207%25%20%E7%8C%AB.png"));
  EXPECT_EQ(row.number(0, 1), 9);
  EXPECT_EQ(row.number(0, 2), 5);
}

TEST(Ingest, MakesWordsOfScriptsWithoutSpaces) {
  const TemporaryDatabase database;
  NumberDataset dataset(20);
  dataset.caption = [](int n) { return n == 3 ? "红色的苹果" : "蓝色的汽车"; };
  const ColourEncoder encoder;
  ingest(database.url(), dataset, encoder, numbers());
  Connection connection = database.connect();
  const Result found = connection.execute(
      "SELECT key FROM numbers WHERE caption_tsv @@ to_tsquery('simple', '苹果')");
  ASSERT_EQ(found.rows(), 1);
  EXPECT_EQ(found.text(0, 0), "row/3");
}

TEST(Ingest, AnotherModelIsAConflict) {
  const TemporaryDatabase database;
  const NumberDataset dataset(10);
  ingest(database.url(), dataset, ColourEncoder("first"), numbers());
  EXPECT_THAT(failure([&] { ingest(database.url(), dataset, ColourEncoder("second"), numbers()); },
                      ErrorKind::kConflict),
              HasSubstr("made with model first"));
}

TEST(Ingest, AnEmptySourceMakesNoCollection) {
  const TemporaryDatabase database;
  EXPECT_THAT(failure([&] { ingest(database.url(), NumberDataset(0), ColourEncoder(), numbers()); },
                      ErrorKind::kNotFound),
              HasSubstr("has no rows"));
  Connection connection = database.connect();
  EXPECT_FALSE(find_collection(connection, "numbers"));
}

TEST(Ingest, AKilledServerEndsTheRunAndTheNextOneGoesOn) {
  const test::TemporaryFolder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0711));
  EmbeddedServer server(folder.path() / "postgres", {.ends_with_process = true});
  server.start();
  const NumberDataset dataset(400, 20);
  ColourEncoder encoder;
  encoder.delay_us = 2000;
  const int postmaster = server.status().pid;
  ASSERT_GT(postmaster, 0);
  const std::string message = failure(
      [&] {
        ingest(server.url(), dataset, encoder, numbers(2), {}, [&](const IngestProgress& progress) {
          if (progress.chunks_done == 5) kill(postmaster, SIGKILL);
        });
      },
      ErrorKind::kUnavailable);
  EXPECT_THAT(message, HasSubstr("running it again goes on from there"));

  encoder.delay_us = 0;
  server.start();
  const IngestReport report = ingest(server.url(), dataset, encoder, numbers(2));
  EXPECT_GT(report.stored, 0);
  EXPECT_LT(report.stored, 400);
  Connection connection(server.url());
  EXPECT_EQ(checked_rows(connection), all_but(400, {}));
  server.stop();
}

}  // namespace
}  // namespace pgmmr
