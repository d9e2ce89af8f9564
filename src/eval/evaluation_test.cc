// Figures worked out by hand, on ten rows whose vectors lie in a plane: row n points 4.4, 15.2,
// 25.0, 33.4, 40.5, 46.4, 51.2, 55.2, 58.5, 61.3 degrees up (the arc tangent of 10 + 25 n over
// 128.8), so what is nearer can be read off these numbers. 1/log2(3) = 0.63093, 1/log2(4) = 0.5,
// 1/log2(5) = 0.43068, 1/log2(6) = 0.38685, 1/log2(8) = 0.33333.
#include "eval/evaluation.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "base/file.h"
#include "image/encode.h"
#include "store/ledger.h"
#include "support/colour_encoder.h"
#include "support/database.h"
#include "support/places.h"

namespace pgmmr {
namespace {

using test::ColourEncoder;
using testing::AllOf;
using testing::HasSubstr;

constexpr RankingMode kVector = RankingMode::kVector;
constexpr RankingMode kKeyword = RankingMode::kKeyword;
constexpr RankingMode kHybrid = RankingMode::kHybrid;

struct Row {
  CellValue number;   // as text: which row it describes
  CellValue numbers;  // the same as a list
  CellValue title;    // what keyword search finds in words
  CellValue words;
  CellValue thing;
};

using List = std::vector<std::string>;
const CellValue kNone = std::monostate();

std::vector<Row> ten_rows() {
  const auto text = [](const char* one) { return CellValue(std::string(one)); };
  return {{text("0"), List{"0", "1"}, text("apple"), text("red apple"), text("a")},
          {text("0"), kNone, text("apple"), text("red apple"), text("b")},
          {text("0"), kNone, kNone, text("red apple"), text("a")},
          {text("9"), kNone, text("green"), text("green apple"), text("b")},
          {kNone, kNone, kNone, kNone, text("c")},
          {text(" \n"), kNone, kNone, kNone, text("d")},
          {text("6"), kNone, text("cherry"), kNone, text("d")},
          {text("7"), kNone, kNone, kNone, text("d")},
          {text("8"), kNone, kNone, kNone, kNone},
          {text("9"), kNone, kNone, kNone, kNone}};
}

class Evaluating : public testing::Test {
 protected:
  explicit Evaluating(bool with_captions = true) {
    collection_.name = "plane";
    collection_.model_id = encoder_.info().id;
    collection_.model_fingerprint = encoder_.info().fingerprint;
    collection_.dim = 4;
    collection_.columns = {{"n", "bigint"},   {"number", "text"}, {"numbers", "text[]"},
                           {"title", "text"}, {"words", "text"},  {"thing", "text"}};
    if (with_captions) collection_.captions = {{"words", "english"}};
    create_collection(connection_, collection_);
    collection_ = get_collection(connection_, "plane");
    plan_chunks(connection_, "plane", "s", {{"1", "{}", 10}});
    auto claim = ChunkClaim::next(connection_, collection_, "s");
    std::vector<StoredRow> stored;
    for (const auto& one : ten_rows()) {
      StoredRow row;
      const auto n = static_cast<int>(stored.size());
      row.key = fmt::format("row/{}", n);
      row.values = {std::int64_t{n}, one.number, one.numbers, one.title, one.words, one.thing};
      row.image_uri = "/x";
      row.width = row.height = 1;
      row.embedding = test::vector_of(n);
      stored.push_back(std::move(row));
    }
    EXPECT_TRUE(claim->store(stored).empty());
    claim->done();
  }

  Evaluation run(const EvaluationPlan& plan) {
    return evaluate(connection_, collection_, &encoder_, plan,
                    [](const std::string&, std::int64_t, std::int64_t) {});
  }

  // The figures of each mode.
  std::map<RankingMode, Quality> measure(const EvaluationPlan& plan) {
    std::map<RankingMode, Quality> found;
    for (const auto& one : run(plan).measurements) found[one.mode] = one.quality;
    return found;
  }

  std::string failure(const EvaluationPlan& plan,
                      ErrorKind expected = ErrorKind::kInvalidArgument) {
    return failure(plan, expected, encoder_);
  }
  std::string failure(const EvaluationPlan& plan, ErrorKind expected, const Encoder& encoder) {
    try {
      evaluate(connection_, collection_, &encoder, plan,
               [](const std::string&, std::int64_t, std::int64_t) {});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), expected) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }

  static void expect_figures(const Quality& found, int queries, double at_1, double at_5,
                             double at_10, double mrr, double ndcg) {
    EXPECT_EQ(found.queries, queries);
    EXPECT_NEAR(found.recall_at_1, at_1, 1e-9);
    EXPECT_NEAR(found.recall_at_5, at_5, 1e-9);
    EXPECT_NEAR(found.recall_at_10, at_10, 1e-9);
    EXPECT_NEAR(found.mrr, mrr, 1e-9);
    EXPECT_NEAR(found.ndcg, ndcg, 1e-5);
  }

  test::TemporaryDatabase database_;
  Connection connection_ = database_.connect();
  ColourEncoder encoder_;
  Collection collection_;
};

class EvaluatingWithoutCaptions : public Evaluating {
 protected:
  EvaluatingWithoutCaptions() : Evaluating(false) {}
};

// Row 1's text is nearest to row 0, row 2's to rows 0 and 1, row 3's to rows 9, 8, 7, 6, 5 and 4.
TEST_F(Evaluating, ACaptionAsksForItsOwnPicture) {
  EvaluationPlan plan;
  plan.captions = {"number"};
  plan.mode = kVector;
  const Evaluation found = run(plan);
  ASSERT_EQ(found.measurements.size(), 1U);
  EXPECT_EQ(found.searched, 10);
  EXPECT_EQ(found.measurements[0].name, "number");
  EXPECT_EQ(found.measurements[0].asked, 8);
  EXPECT_EQ(found.measurements[0].able, 8);
  expect_figures(found.measurements[0].quality, 8, 5.0 / 8, 7.0 / 8, 1,
                 (5 + 1.0 / 2 + 1.0 / 3 + 1.0 / 7) / 8, (5 + 0.63093 + 0.5 + 0.33333) / 8);
}

// "0" and "1" ask for row 0, which is nearest to the first and third to the second.
TEST_F(Evaluating, EveryCaptionOfAListAsks) {
  EvaluationPlan plan;
  plan.captions = {"numbers"};
  plan.mode = kVector;
  const auto found = run(plan).measurements.at(0);
  EXPECT_EQ(found.asked, 1);
  expect_figures(found.quality, 2, 0.5, 1, 1, (1 + 1.0 / 3) / 2, (1 + 0.5) / 2);
}

// Keyword: "apple" finds rows 0, 1, 2, 3 with equal scores, by key; "green" row 3; "cherry" none.
// Vector: all four texts point to row 0, so rows 0, 1, 3, 6 come 1st, 2nd, 4th, 7th. Hybrid: row 3
// is 4th and 1st, which beats what is in one list alone; row 6 stays 7th.
TEST_F(Evaluating, MeasuresEachModeAsSearchRanks) {
  EvaluationPlan plan;
  plan.captions = {"title"};
  const auto found = measure(plan);
  ASSERT_EQ(found.size(), 3U);
  expect_figures(found.at(kVector), 4, 0.25, 0.75, 1, (1 + 0.5 + 0.25 + 1.0 / 7) / 4,
                 (1 + 0.63093 + 0.43068 + 0.33333) / 4);
  expect_figures(found.at(kKeyword), 4, 0.5, 0.75, 0.75, 2.5 / 4, (1 + 0.63093 + 1) / 4);
  expect_figures(found.at(kHybrid), 4, 0.5, 0.75, 1, (1 + 0.5 + 1 + 1.0 / 7) / 4,
                 (1 + 0.63093 + 1 + 0.33333) / 4);
}

TEST_F(Evaluating, TheCaptionsOfTheCollectionAskUnlessToldOtherwise) {
  const Evaluation found = run({});
  ASSERT_EQ(found.measurements.size(), 3U);
  EXPECT_EQ(found.measurements[0].name, "words");
  EXPECT_EQ(found.measurements[0].quality.queries, 4);
}

TEST_F(Evaluating, KeywordModeNeedsNoModel) {
  EvaluationPlan plan;
  plan.captions = {"title"};
  plan.mode = kKeyword;
  EXPECT_FALSE(needs_encoder(collection_, plan));
  const auto found = evaluate(connection_, collection_, nullptr, plan,
                              [](const std::string&, std::int64_t, std::int64_t) {});
  ASSERT_EQ(found.measurements.size(), 1U);
  EXPECT_NEAR(found.measurements[0].quality.mrr, 2.5 / 4, 1e-9);
  EXPECT_FALSE(found.index);
}

// Rows by nearness: of 0: 1 2; of 1: 2 0 3; of 2: 3 1 4 0; of 3: 4 2 5 6 1; of 5: 6 4 7; of 6: 7 5;
// of 7: 8 6 9 5. Row 4's thing is nobody else's.
TEST_F(Evaluating, APictureAsksForOthersOfTheSameThing) {
  EvaluationPlan plan;
  plan.same = "thing";
  EXPECT_FALSE(needs_encoder(collection_, plan));
  const auto found = run(plan).measurements;
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].able, 7);
  const double gain_5 = (1 + 0.5) / 1.63093, gain_7 = (0.63093 + 0.43068) / 1.63093;
  expect_figures(found[0].quality, 7, 2.0 / 7, 1, 1,
                 (1.0 / 2 + 1.0 / 3 + 1.0 / 4 + 1.0 / 5 + 1 + 1 + 1.0 / 2) / 7,
                 (0.63093 + 0.5 + 0.43068 + 0.38685 + gain_5 + 1 + gain_7) / 7);
}

TEST_F(Evaluating, ConditionsChooseWhoAsksAndWhatIsSearched) {
  EvaluationPlan plan;
  plan.same = "thing";
  plan.conditions = {"n <> 6", "n = 7"};
  Evaluation found = run(plan);
  EXPECT_EQ(found.searched, 9);
  EXPECT_NEAR(found.measurements.at(0).quality.mrr, 1.0 / 3, 1e-9);  // 8 9 5
  plan.conditions = {"n IN (5, 8, 9)", "n = 6"};  // who asks need not be searched
  found = run(plan);
  EXPECT_EQ(found.measurements.at(0).quality.queries, 1);
  EXPECT_EQ(found.measurements.at(0).quality.recall_at_1, 1);

  plan = {};
  plan.captions = {"number"};
  plan.mode = kVector;
  plan.conditions.searched = "n > 0";
  found = run(plan);  // of rows 1, 2 and 3 the first is nearest to 0 now, and row 0 asks no more
  expect_figures(found.measurements.at(0).quality, 7, 5.0 / 7, 6.0 / 7, 1,
                 (5 + 1.0 / 2 + 1.0 / 7) / 7, (5 + 0.63093 + 0.33333) / 7);
  plan.conditions.asking = "n = 3";
  EXPECT_NEAR(run(plan).measurements.at(0).quality.mrr, 1.0 / 7, 1e-9);
  plan.mode.reset();
  plan.captions = {"title"};
  plan.conditions = {"n > 1", "n < 6"};  // keyword and hybrid lists are of searched rows too
  const auto by_mode = measure(plan);
  EXPECT_NEAR(by_mode.at(kKeyword).mrr, 1, 1e-9);
  EXPECT_NEAR(by_mode.at(kVector).mrr, 0.5, 1e-9);
}

TEST_F(Evaluating, ASampleAsksAndSaysOfHowMany) {
  EvaluationPlan plan;
  plan.captions = {"number"};
  plan.mode = kVector;
  plan.sample = 3;
  const auto first = run(plan).measurements.at(0), again = run(plan).measurements.at(0);
  EXPECT_EQ(first.asked, 3);
  EXPECT_EQ(first.able, 8);
  EXPECT_EQ(first.quality.queries, 3);
  EXPECT_EQ(first.quality.ndcg, again.quality.ndcg);
}

// Vector: like row 5 comes 7 third; "0" finds 0, 1, 2, of which 1 and 2 are right; the picture of 9
// finds 9, then 8; "9" with the picture of 9 is 9 itself, whose 1st is right.
TEST_F(Evaluating, JudgedQueriesAskAsInSearch) {
  const test::TemporaryFolder folder;
  write_file(folder.path() / "nine.png", encode_png(test::picture_of(9)));
  const auto file = folder.path() / "queries.jsonl";
  write_file(file, R"({"like": "row/5", "relevant": ["row/7"]}
{"text": "0", "relevant": ["row/2", "row/1"]}
{"image": "nine.png", "relevant": ["row/8"]}
{"text": "9 green", "image": "nine.png", "relevant": ["row/9"]}
)");
  EvaluationPlan plan;
  plan.judgments = read_judgments(file);
  plan.judgments_name = "queries.jsonl";
  const auto found = measure(plan);
  const double gain = (0.63093 + 0.5) / 1.63093;
  expect_figures(found.at(kVector), 4, 0.25, 1, 1, (1.0 / 3 + 0.5 + 0.5 + 1) / 4,
                 (0.5 + gain + 0.63093 + 1) / 4);
  // Those with words, and those with words alone.
  EXPECT_EQ(found.at(kHybrid).queries, 2);
  EXPECT_EQ(found.at(kKeyword).queries, 1);
  EXPECT_EQ(found.at(kKeyword).recall_at_10, 0);

  plan.conditions.searched = "n <> 8";
  const auto less = run(plan).measurements.at(0);
  EXPECT_EQ(less.asked, 3);
  EXPECT_EQ(less.able, 4);
}

TEST_F(Evaluating, SaysWhatMakesNoSense) {
  EvaluationPlan plan;
  plan.captions = {"colour"};
  EXPECT_THAT(failure(plan), AllOf(HasSubstr("evaluating plane: no column \"colour\""),
                                   HasSubstr("there are: n, number, numbers, title")));
  plan.captions = {"n"};
  EXPECT_THAT(failure(plan), HasSubstr("captions are text, column \"n\" is bigint"));
  plan.captions = {"number"};
  plan.conditions.searched = "n > 99";
  EXPECT_THAT(failure(plan), HasSubstr("there are no rows where n > 99"));
  plan.conditions = {"", "n = 4"};
  EXPECT_THAT(failure(plan), HasSubstr("no row has text in column \"number\" of n = 4"));
  plan.conditions = {"nonsense", ""};
  EXPECT_THAT(failure(plan), HasSubstr("evaluating plane where nonsense: "));
  plan = {};
  plan.same = "number";
  plan.mode = kHybrid;
  EXPECT_THAT(failure(plan), HasSubstr("hybrid mode does not"));
  plan.mode.reset();
  plan.conditions.searched = "n < 1";
  EXPECT_THAT(failure(plan), HasSubstr("no two rows have the same value in column \"number\""));
  plan = {};
  plan.sample = 0;
  EXPECT_THAT(failure(plan), HasSubstr("a sample of 0 rows, expected 1 to 20000"));
  plan = {};
  plan.judgments = parse_judgments(R"({"text": "1", "relevant": ["row/1", "row/99"]})", "q");
  plan.judgments_name = "q";
  EXPECT_THAT(failure(plan, ErrorKind::kNotFound), HasSubstr("q, line 1: no row with key row/99"));
  plan.judgments = parse_judgments(R"({"image": "/no.png", "relevant": ["row/1"]})", "q");
  EXPECT_THAT(failure(plan, ErrorKind::kNotFound), HasSubstr("q, line 1: /no.png"));
}

TEST_F(Evaluating, RefusesAnotherModel) {
  const ColourEncoder other("other");
  EXPECT_THAT(failure({}, ErrorKind::kConflict, other),
              AllOf(HasSubstr("made with model colour"), HasSubstr("not with other")));
}

TEST_F(EvaluatingWithoutCaptions, RanksByVectorAlone) {
  EvaluationPlan plan;
  EXPECT_THAT(failure(plan), HasSubstr("no captions, so name what asks"));
  plan.captions = {"number"};
  EXPECT_EQ(measure(plan).size(), 1U);
  plan.mode = kKeyword;
  EXPECT_THAT(failure(plan), HasSubstr("keyword mode needs captions"));
}

TEST_F(Evaluating, ProgressMayStopIt) {
  EvaluationPlan plan;
  plan.captions = {"number"};
  EXPECT_THROW(evaluate(connection_, collection_, &encoder_, plan,
                        [](const std::string&, std::int64_t, std::int64_t) {
                          throw Error(ErrorKind::kCancelled, "stopped");
                        }),
               Error);
  EXPECT_EQ(run(plan).measurements.size(), 3U);  // and leaves the connection as it was
}

}  // namespace
}  // namespace pgmmr
