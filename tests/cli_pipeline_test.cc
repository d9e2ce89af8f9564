// ingest, search and export as a user runs them: the built program on a PostgreSQL of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "image/encode.h"
#include "image/picture.h"
#include "store/collection.h"
#include "support/database.h"
#include "support/places.h"
#include "support/process.h"

namespace pgmmr {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

// A picture that no other number has: a diagonal whose colours count.
Picture picture_of(int n) {
  Picture picture(40, 30);
  for (int y = 0; y < 30; ++y) {
    for (int x = 0; x < 40; ++x) {
      auto* pixel = &picture.rgb[static_cast<std::size_t>(y * 40 + x) * 3];
      pixel[0] = static_cast<std::uint8_t>(n * 53 + x * 3);
      pixel[1] = static_cast<std::uint8_t>(n * 101 + y * 5);
      pixel[2] = static_cast<std::uint8_t>(n * 17 + x * y);
    }
  }
  return picture;
}

class Pipeline : public testing::Test {
 protected:
  void make_pictures(int count, int broken_every = 0) {
    std::filesystem::create_directories(photos());
    for (int n = 0; n < count; ++n) {
      const bool broken = broken_every > 0 && n % broken_every == broken_every - 1;
      const std::string name = "photo " + std::to_string(1000 + n);
      write_file(photos() / (name + ".png"), broken ? "GIF89a" : encode_png(picture_of(n)));
      write_file(photos() / (name + ".txt"),
                 n % 2 == 0 ? "an even apple, on a table" : "an odd pear");
    }
  }

  std::filesystem::path photos() const { return folder_.path() / "photos"; }

  std::vector<std::string> environment() const {
    return {"PGMMR_DATABASE_URL=" + database_.url(),
            "PGMMR_DATA_DIR=" + (folder_.path() / "data").string(),
            "PGMMR_MODEL=" + (test::test_data() / "models/tiny").string()};
  }

  test::Finished pgmmr(std::vector<std::string> arguments, const std::string& input = "") const {
    arguments.insert(arguments.begin(), test::program());
    return test::run(arguments, environment(), input);
  }

  test::Finished ingest() const { return pgmmr({"ingest", photos(), "-c", "photos"}); }

  std::unique_ptr<test::Process> start_ingest() const {
    return std::make_unique<test::Process>(
        std::vector<std::string>{test::program(), "ingest", photos(), "-c", "photos", "--workers",
                                 "2"},
        environment(), folder_.path() / "err");
  }

  // Waits until the collection has rows; false where the program ended before.
  bool wait_for_rows(const test::Process& ingest) {
    Connection connection = database_.connect();
    for (;;) {
      if (find_collection(connection, "photos") && rows(connection) > 0) return true;
      if (ingest.ended()) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  static std::int64_t rows(Connection& connection) {
    return connection.execute("SELECT count(*) FROM photos").number(0, 0);
  }

  test::TemporaryFolder folder_;
  test::TemporaryDatabase database_;
};

TEST_F(Pipeline, BrokenPicturesAreRejectedAndTheRestIsRight) {
  make_pictures(60, 20);
  const auto first = ingest();
  EXPECT_EQ(first.exit_code, 3) << first.err;
  EXPECT_EQ(first.out, "");
  EXPECT_THAT(first.err, HasSubstr("photos: stored 57 pictures in "));
  EXPECT_THAT(first.err, HasSubstr("3 rejects of this source:\n  photo 10"));
  EXPECT_THAT(first.err, HasSubstr("photo 1019.png"));
  EXPECT_THAT(first.err, testing::Not(HasSubstr("\033")));  // no progress bar in a pipe

  const auto second = ingest();
  EXPECT_EQ(second.exit_code, 3);
  EXPECT_THAT(second.err, HasSubstr("photos: unchanged, 60 rows were there already\n3 rejects"));

  Connection connection = database_.connect();
  EXPECT_EQ(rows(connection), 57);
  for (int n = 0; n < 57; n += 7) {
    const std::string name = "photo " + std::to_string(1000 + n) + ".png";
    const auto found = pgmmr(
        {"search", "-c", "photos", "--image", photos() / name, "-k", "1", "--format", "json"});
    ASSERT_EQ(found.exit_code, 0) << found.err;
    const auto hit = nlohmann::json::parse(found.out).at("hits").at(0);
    EXPECT_EQ(hit.at("key"), name);
    EXPECT_GT(hit.at("similarity"), 0.999);
  }
}

TEST_F(Pipeline, SearchesByWordsInEveryFormat) {
  make_pictures(8);
  ASSERT_EQ(ingest().exit_code, 0);
  const auto json = pgmmr({"search", "-c", "photos", "apples", "--format", "json", "-k", "2"});
  ASSERT_EQ(json.exit_code, 0) << json.err;
  EXPECT_THAT(json.out,
              StartsWith(R"({"collection":"photos","mode":"hybrid","query":{"text":"apples"},)"
                         R"("took_ms":{"encode":)"));
  EXPECT_EQ(nlohmann::json::parse(json.out).at("hits").size(), 2U);

  const auto keyword = [&](const std::string& format) {
    return pgmmr({"search", "-c", "photos", "apples", "--mode", "keyword", "-k", "1", "--format",
                  format, "--model", "/no/such/model"});
  };
  EXPECT_THAT(keyword("jsonl").out,
              MatchesRegex(R"(\{"key":"photo 1000.png","score":[0-9.e-]+,"similarity":null,.*\}
)"));
  EXPECT_THAT(keyword("csv").out,
              MatchesRegex("rank,key,score,similarity,vector_rank,keyword_rank,image,width,height,"
                           "file_name,caption\r\n1,photo 1000.png,[0-9.]+,,,1,file:///.*"
                           "photo%201000.png,40,30,photo 1000.png,\"an even apple, on a "
                           "table\"\r\n"));
  EXPECT_EQ(keyword("table").out, "1       -  an even apple, on a table  photo 1000.png\n");
}

TEST_F(Pipeline, SearchesLikeARowAndByAPipedPicture) {
  make_pictures(8);
  ASSERT_EQ(ingest().exit_code, 0);
  const auto like = pgmmr(
      {"search", "-c", "photos", "--like", "photo 1002.png", "-k", "20", "--format", "jsonl"});
  EXPECT_EQ(std::count(like.out.begin(), like.out.end(), '\n'), 7);
  EXPECT_THAT(like.out, testing::Not(HasSubstr("photo 1002.png")));
  const auto sheet = folder_.path() / "sheet.png";
  const auto piped = pgmmr({"search", "-c", "photos", "--image", "-", "-k", "3", "--where",
                            "file_name > 'photo 1003'", "--save", sheet, "--format", "jsonl"},
                           encode_png(picture_of(5)));
  ASSERT_EQ(piped.exit_code, 0) << piped.err;
  EXPECT_THAT(piped.out, StartsWith(R"({"key":"photo 1005.png")"));
  EXPECT_EQ(read_file(sheet).substr(0, 8), "\x89PNG\r\n\x1a\n");
}

TEST_F(Pipeline, MistakesAreOneClearLine) {
  make_pictures(2);
  ASSERT_EQ(ingest().exit_code, 0);
  const auto refused = [&](std::vector<std::string> arguments, int exit_code) {
    const auto finished = pgmmr(std::move(arguments));
    EXPECT_EQ(finished.exit_code, exit_code) << finished.err;
    EXPECT_EQ(finished.out, "");
    return finished.err;
  };
  EXPECT_THAT(refused({"search", "-c", "photos"}, 1), HasSubstr("nothing to search for"));
  EXPECT_THAT(refused({"search", "-c", "none", "x"}, 1), HasSubstr("there are: photos"));
  EXPECT_THAT(refused({"search", "-c", "photos", "x", "--where", "1=1; DROP TABLE photos"}, 1),
              StartsWith("pgmmr: searching photos where 1=1; DROP TABLE photos: "));
  EXPECT_THAT(refused({"search", "-c", "photos", "--image", "none.png"}, 1), HasSubstr("none.png"));
  EXPECT_THAT(refused({"ingest", photos(), "-c", "photos", "--images", "database"}, 1),
              HasSubstr("made with images reference, not with database"));
  EXPECT_THAT(refused({"ingest", photos(), "-c", "2bad"}, 1), HasSubstr("2bad"));
  refused({"search", "-c", "photos", "x", "-k", "0"}, 2);
  refused({"ingest", photos()}, 2);
}

TEST_F(Pipeline, ExportsWhatIsStored) {
  make_pictures(5);
  ASSERT_EQ(ingest().exit_code, 0);
  const auto npy = folder_.path() / "out.npy";
  ASSERT_EQ(pgmmr({"export", "-c", "photos", "-o", npy}).exit_code, 0);
  EXPECT_THAT(read_file(npy), HasSubstr("'<f4', 'fortran_order': False, 'shape': (5, "));
  const std::string keys = read_file(folder_.path() / "out.keys.jsonl");
  EXPECT_THAT(keys, StartsWith(R"({"key":"photo 1000.png","image":"file:///)"));
  EXPECT_EQ(std::count(keys.begin(), keys.end(), '\n'), 5);
  const auto parquet = folder_.path() / "out.parquet";
  ASSERT_EQ(pgmmr({"export", "-c", "photos", "-o", parquet}).exit_code, 0);
  EXPECT_THAT(read_file(parquet), StartsWith("PAR1"));
  EXPECT_EQ(pgmmr({"export", "-c", "photos", "-o", folder_.path() / "out.txt"}).exit_code, 1);
}

TEST_F(Pipeline, AKilledIngestIsFinishedByTheNext) {
  make_pictures(600);
  const auto running = start_ingest();
  const bool in_time = wait_for_rows(*running);
  running->stop(SIGKILL);
  Connection connection = database_.connect();
  const std::int64_t before = rows(connection);
  EXPECT_TRUE(in_time);
  EXPECT_LT(before, 600);
  const auto next = ingest();
  EXPECT_EQ(next.exit_code, 0) << next.err;
  EXPECT_EQ(rows(connection), 600);
}

TEST_F(Pipeline, AnInterruptedIngestSaysWhatIsStored) {
  make_pictures(600);
  const auto running = start_ingest();
  ASSERT_TRUE(wait_for_rows(*running));
  EXPECT_EQ(running->stop(SIGINT), 1);
  EXPECT_THAT(read_file(folder_.path() / "err"),
              MatchesRegex("pgmmr: ingesting .*/photos into photos: stopped; [0-9]+ rows and 0 "
                           "rejects of this run are stored, and running it again goes on from "
                           "there\n"));
  EXPECT_EQ(ingest().exit_code, 0);
  Connection connection = database_.connect();
  EXPECT_EQ(rows(connection), 600);
}

TEST_F(Pipeline, TwoIngestsAtOnceStoreEachRowOnce) {
  make_pictures(200);
  const auto running = start_ingest();
  const auto other = ingest();
  EXPECT_EQ(running->wait(), 0);
  EXPECT_EQ(other.exit_code, 0) << other.err;
  Connection connection = database_.connect();
  EXPECT_EQ(rows(connection), 200);
  EXPECT_EQ(connection.execute("SELECT sum(stored) FROM pgmmr.chunk").number(0, 0), 200);
}

}  // namespace
}  // namespace pgmmr
