#include "ingest/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/ingest_fixture.h"

namespace pgmmr {
namespace {

using test::ColourEncoder;
using test::NumberDataset;
using testing::HasSubstr;

IngestOptions options_for(const std::string& name) {
  IngestOptions options;
  options.collection = name;
  return options;
}

Sample inside(const NumberDataset& dataset) {
  Sample sample;
  dataset.chunks([&](Chunk chunk) { sample = take_sample(dataset, chunk); }, {});
  return sample;
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

TEST(Layout, KeepsColumnsWithTheirTypes) {
  NumberDataset dataset(10);
  dataset.columns_ = {{"a", ColumnType::kTimestampTz},
                      {"b", ColumnType::kTextArray},
                      {"caption", ColumnType::kText},
                      {"d", ColumnType::kDouble},
                      {"embedding", ColumnType::kJsonb}};
  const Layout layout = new_layout(dataset, ColourEncoder().info(), options_for("c"), Sample{});
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& column : layout.collection.columns) found.emplace_back(column.name, column.type);
  EXPECT_EQ(found, (std::vector<std::pair<std::string, std::string>>{{"a", "timestamptz"},
                                                                     {"b", "text[]"},
                                                                     {"caption", "text"},
                                                                     {"d", "double precision"},
                                                                     {"embedding_", "jsonb"}}));
}

TEST(Layout, TakesTheLanguageFromTheCaptionsScript) {
  NumberDataset dataset(40);
  const auto config = [&] {
    return new_layout(dataset, ColourEncoder().info(), options_for("c"), inside(dataset))
        .collection.captions.at(0)
        .config;
  };
  EXPECT_EQ(config(), "english");
  dataset.caption = [](int) { return "一只红色的苹果"; };
  EXPECT_EQ(config(), "icu");
  // A few foreign words don't make a foreign column.
  dataset.caption = [](int n) { return n % 10 == 0 ? "苹果" : "a red apple on a white table"; };
  EXPECT_EQ(config(), "english");
}

TEST(Layout, RefusesCaptionsThatAreNoText) {
  const NumberDataset dataset(4);
  auto options = options_for("c");
  options.captions = {"number"};
  EXPECT_THAT(failure([&] { new_layout(dataset, ColourEncoder().info(), options, Sample{}); },
                      ErrorKind::kInvalidArgument),
              HasSubstr("\"number\" is bigint, expected text"));
  options.captions = {"missing"};
  EXPECT_THAT(failure([&] { new_layout(dataset, ColourEncoder().info(), options, Sample{}); },
                      ErrorKind::kInvalidArgument),
              HasSubstr("no caption column \"missing\"; its columns are: number, caption"));
}

TEST(Layout, StoresPicturesThatAreNoFiles) {
  NumberDataset dataset(4);
  auto options = options_for("c");
  const ModelInfo model = ColourEncoder().info();
  EXPECT_TRUE(new_layout(dataset, model, options, inside(dataset)).collection.stores_images);
  EXPECT_FALSE(new_layout(dataset, model, options, Sample{}).collection.stores_images);
  options.images = ImageStorage::kReference;
  EXPECT_THAT(failure([&] { new_layout(dataset, model, options, inside(dataset)); },
                      ErrorKind::kInvalidArgument),
              HasSubstr("--images database"));
  dataset.source_ = "hf://datasets/a/b";
  options.images = ImageStorage::kAuto;
  EXPECT_TRUE(new_layout(dataset, model, options, Sample{}).collection.stores_images);
}

TEST(Layout, NamesBothSidesOfAConflict) {
  const NumberDataset dataset(4);
  const ModelInfo model = ColourEncoder("first").info();
  auto options = options_for("c");
  const Collection made = new_layout(dataset, model, options, Sample{}).collection;
  const auto conflict = [&](const ModelInfo& other) {
    return failure([&] { fit_layout(made, dataset, other, options); }, ErrorKind::kConflict);
  };
  EXPECT_THAT(
      conflict(ColourEncoder("second").info()),
      testing::AllOf(HasSubstr("model first (fingerprint"), HasSubstr("not with second (")));
  options.captions = {"caption", "caption"};
  EXPECT_THAT(conflict(model), HasSubstr("captions caption, not with caption, caption"));
  options.captions.clear();
  options.images = ImageStorage::kDatabase;
  EXPECT_THAT(conflict(model), HasSubstr("images reference, not with database"));
  options.images = ImageStorage::kAuto;
  options.language = "german";
  EXPECT_THAT(conflict(model), HasSubstr("language english, not with german"));
}

TEST(Layout, FitsASourceWithTheSameColumnsInAnotherOrder) {
  NumberDataset dataset(4);
  const ModelInfo model = ColourEncoder().info();
  const Collection made = new_layout(dataset, model, options_for("c"), Sample{}).collection;
  dataset.columns_ = {{"caption", ColumnType::kText}};
  EXPECT_EQ(fit_layout(made, dataset, model, options_for("c")).source_columns,
            (std::vector<int>{-1, 0}));
  dataset.columns_ = {{"caption", ColumnType::kText}, {"number", ColumnType::kBigint}};
  EXPECT_EQ(fit_layout(made, dataset, model, options_for("c")).source_columns,
            (std::vector<int>{1, 0}));
  dataset.columns_ = {{"caption", ColumnType::kText}, {"number", ColumnType::kText}};
  EXPECT_THAT(
      failure([&] { fit_layout(made, dataset, model, options_for("c")); }, ErrorKind::kConflict),
      HasSubstr("column \"number\" of type bigint, not with text"));
  dataset.columns_ = {{"caption", ColumnType::kText}, {"extra", ColumnType::kText}};
  EXPECT_THAT(
      failure([&] { fit_layout(made, dataset, model, options_for("c")); }, ErrorKind::kConflict),
      HasSubstr("columns (number, caption), not with one more, \"extra\""));
}

}  // namespace
}  // namespace pgmmr
