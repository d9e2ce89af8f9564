// pgmmr eval as a user runs it: the built program on a PostgreSQL of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "image/encode.h"
#include "image/picture.h"
#include "support/database.h"
#include "support/places.h"

namespace pgmmr {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Three pictures, two of which are apples.
class EvalCommand : public testing::Test {
 protected:
  EvalCommand() {
    std::filesystem::create_directories(folder_.path() / "photos");
    const char* captions[] = {"an apple", "a pear", "an apple"};
    for (int n = 0; n < 3; ++n) {
      Picture picture(40, 30);
      for (std::size_t i = 0; i < picture.rgb.size(); ++i) {
        picture.rgb[i] = static_cast<std::uint8_t>(i % (20 + 30 * static_cast<std::size_t>(n)));
      }
      const std::string name = "photos/" + std::to_string(n);
      write_file(folder_.path() / (name + ".png"), encode_png(picture));
      write_file(folder_.path() / (name + ".txt"), captions[n]);
    }
    EXPECT_EQ(pgmmr({"ingest", folder_.path() / "photos", "-c", "photos"}).exit_code, 0);
  }

  test::Finished pgmmr(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), test::program());
    return test::run(arguments, {"PGMMR_DATABASE_URL=" + database_.url(),
                                 "PGMMR_DATA_DIR=" + (folder_.path() / "data").string(),
                                 "PGMMR_MODEL=" + (test::test_data() / "models/tiny").string()});
  }

  std::string refused(std::vector<std::string> arguments, int exit_code) const {
    arguments.insert(arguments.begin(), {"eval", "-c", "photos"});
    const auto finished = pgmmr(std::move(arguments));
    EXPECT_EQ(finished.exit_code, exit_code) << finished.err;
    EXPECT_EQ(finished.out, "");
    return finished.err;
  }

  test::TemporaryFolder folder_;
  test::TemporaryDatabase database_;
};

// "apple" finds 0.png and 2.png, in the order of their keys: ranks 1, 1 and 2.
TEST_F(EvalCommand, PrintsFiguresInEveryFormat) {
  const auto csv = pgmmr({"eval", "-c", "photos", "--mode", "keyword", "--format", "csv"});
  EXPECT_EQ(csv.exit_code, 0) << csv.err;
  EXPECT_EQ(csv.out,
            "by,name,mode,searched,queries,asked,able,recall@1,recall@5,recall@10,mrr@10,"
            "ndcg@10\r\n"
            "caption,caption,keyword,3,3,3,3,0.666667,1,1,0.833333,0.876977\r\n");
  EXPECT_EQ(csv.err, "");
  const auto json = pgmmr({"eval", "-c", "photos", "--same", "caption", "--format", "json"});
  EXPECT_EQ(json.exit_code, 0) << json.err;
  const auto results = nlohmann::json::parse(json.out).at("results");
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results.at(0).at("queries"), 2);
  EXPECT_EQ(results.at(0).at("recall@5"), 1);
  const auto table = pgmmr({"eval", "-c", "photos", "--caption", "caption"});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_THAT(table.out, StartsWith("photos: 3 pictures searched, model "));
  EXPECT_THAT(table.out, HasSubstr("\n         hybrid         3     0."));
  EXPECT_THAT(table.out, HasSubstr("\nindex: none, search is exact\n"));
}

TEST_F(EvalCommand, MistakesAreOneClearLine) {
  EXPECT_THAT(refused({"--caption", "colour"}, 1),
              StartsWith("pgmmr: evaluating photos: no column \"colour\"; there are: "));
  EXPECT_THAT(refused({"--queries", "none.jsonl"}, 1), HasSubstr("none.jsonl"));
  EXPECT_THAT(refused({"--where", "1=1; DROP TABLE photos"}, 1),
              StartsWith("pgmmr: evaluating photos where 1=1; DROP TABLE photos: "));
  refused({"--sample", "0"}, 2);
  refused({"--mode", "words"}, 2);
}

}  // namespace
}  // namespace pgmmr
