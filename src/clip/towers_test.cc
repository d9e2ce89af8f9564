// Both towers against the conformance kit's goldens: double precision, from the stored weights.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "clip/encoder.h"
#include "clip/text_tower.h"
#include "clip/vision_tower.h"
#include "support/places.h"

namespace pgmmr {
namespace {

// Of normalised embeddings (the kit's aim; PyTorch's own float32 is within 7e-7).
constexpr float kEmbeddingTolerance = 5e-6f;
// Of activations, which are of order one to ten.
constexpr float kActivationTolerance = 2e-5f;

struct Golden {
  explicit Golden(const std::filesystem::path& path) : file(path) {}

  std::vector<float> floats(const std::string& name) const {
    const Tensor& tensor = file.tensors().at(name);
    std::vector<float> values(tensor.count());
    copy_floats(tensor, 0, values.size(), values.data());
    return values;
  }
  std::vector<std::int32_t> ids(const std::string& name) const {
    const Tensor& tensor = file.tensors().at(name);
    std::vector<std::int32_t> values(tensor.count());
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
  }
  bool has(const std::string& name) const { return file.tensors().contains(name); }
  std::int64_t rows(const std::string& name) const { return file.tensors().at(name).shape.at(0); }
  std::vector<std::string> texts() const {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : file.tensors()) {
      if (name.starts_with("text.") && name.ends_with(".input_ids")) {
        names.push_back(name.substr(0, name.size() - std::strlen("input_ids")));
      }
    }
    return names;
  }

  Safetensors file;
};

void expect_near(const Matrix& values, const std::vector<float>& golden, float tolerance,
                 const std::string& what) {
  ASSERT_LE(values.rows() * static_cast<std::size_t>(values.cols()), golden.size()) << what;
  float largest = 0;
  for (int i = 0; i < values.rows(); ++i) {
    for (int k = 0; k < values.cols(); ++k) {
      const auto at = static_cast<std::size_t>(i) * static_cast<std::size_t>(values.cols()) +
                      static_cast<std::size_t>(k);
      const float difference = std::abs(values.row(i)[static_cast<std::size_t>(k)] - golden[at]);
      largest = std::isfinite(difference) ? std::max(largest, difference) : INFINITY;
    }
  }
  EXPECT_LE(largest, tolerance) << what;
}

class TowersOnGoldens : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    PGMMR_NEEDS_CONFORMANCE();
    folder_ = *test::conformance() / "models" / GetParam();
    checkpoint_ = std::make_shared<Checkpoint>(folder_);
    golden_ = std::make_unique<Golden>(folder_ / "golden.safetensors");
  }
  std::filesystem::path folder_;
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::unique_ptr<Golden> golden_;
};

TEST_P(TowersOnGoldens, VisionAgrees) {
  const VisionTower tower(*checkpoint_);
  const std::vector<float> pixels = golden_->floats("pixel_values");
  const auto pictures = static_cast<int>(golden_->rows("pixel_values"));
  int compared = 0;
  Matrix embeddings = tower.forward(pixels, pictures, [&](std::string_view stage, const Matrix& x) {
    std::string name = "vision." + std::string(stage);
    const std::string last =
        "after_layer" + std::to_string(checkpoint_->config().vision.num_hidden_layers);
    if (stage == last) name = "vision.last_hidden_state";
    if (!golden_->has(name)) return;
    expect_near(x, golden_->floats(name), kActivationTolerance, name);
    ++compared;
  });
  EXPECT_EQ(compared, 5);
  expect_near(embeddings, golden_->floats("image_embeds_raw"), kActivationTolerance, "raw");
  normalise_rows(embeddings);
  expect_near(embeddings, golden_->floats("image_embeds"), kEmbeddingTolerance, "image_embeds");
}

TEST_P(TowersOnGoldens, EachPictureIsTheSameAloneAndInABatch) {
  const VisionTower tower(*checkpoint_);
  const std::vector<float> pixels = golden_->floats("pixel_values");
  const auto pictures = static_cast<int>(golden_->rows("pixel_values"));
  const std::size_t each = pixels.size() / static_cast<std::size_t>(pictures);
  const std::vector<float> golden = golden_->floats("image_embeds");
  for (int i = 0; i < pictures; ++i) {
    Matrix one =
        tower.forward(std::span(pixels).subspan(static_cast<std::size_t>(i) * each, each), 1);
    normalise_rows(one);
    const auto begin = golden.begin() + static_cast<std::ptrdiff_t>(i) * one.cols();
    expect_near(one, {begin, begin + one.cols()}, kEmbeddingTolerance, std::to_string(i));
  }
}

TEST_P(TowersOnGoldens, TextActivationsAgree) {
  const TextTower tower(checkpoint_);
  int compared = 0;
  for (const std::string& text : golden_->texts()) {
    tower.forward_traced(golden_->ids(text + "input_ids"),
                         [&](std::string_view stage, const Matrix& x) {
                           const std::string name = text + std::string(stage);
                           if (!golden_->has(name)) return;
                           expect_near(x, golden_->floats(name), kActivationTolerance, name);
                           ++compared;
                         });
  }
  EXPECT_GE(compared, 14);
}

TEST_P(TowersOnGoldens, TextEmbeddingsAgreeInOneBatchOfAllLengths) {
  const TextTower tower(checkpoint_);
  const auto golden = nlohmann::json::parse(std::ifstream(folder_ / "golden.json"));
  const auto ids = golden.at("text_input_ids").get<std::vector<std::vector<std::int32_t>>>();
  Matrix texts = tower.forward(ids);
  expect_near(texts, golden_->floats("text_embeds_raw"), kActivationTolerance, "text_embeds_raw");
  normalise_rows(texts);
  expect_near(texts, golden_->floats("text_embeds"), kEmbeddingTolerance, "text_embeds");
}

TEST_P(TowersOnGoldens, LogitsAgree) {
  const TextTower words(checkpoint_);
  const VisionTower pictures(*checkpoint_);
  const auto golden = nlohmann::json::parse(std::ifstream(folder_ / "golden.json"));
  EXPECT_NEAR(checkpoint_->logit_scale() / golden.at("logit_scale_exp").get<double>(), 1, 1e-6);
  Matrix texts =
      words.forward(golden.at("text_input_ids").get<std::vector<std::vector<std::int32_t>>>());
  const std::vector<float> pixels = golden_->floats("pixel_values");
  Matrix images = pictures.forward(pixels, static_cast<int>(golden_->rows("pixel_values")));
  normalise_rows(texts);
  normalise_rows(images);
  const std::vector<float> want = golden_->floats("logits_per_image");
  for (int i = 0; i < images.rows(); ++i) {
    for (int t = 0; t < texts.rows(); ++t) {
      double dot = 0;
      for (std::size_t k = 0; k < texts.row(t).size(); ++k) {
        dot += static_cast<double>(images.row(i)[k]) * texts.row(t)[k];
      }
      const auto at = static_cast<std::size_t>(i * texts.rows() + t);
      EXPECT_NEAR(dot * checkpoint_->logit_scale(), want[at],
                  kEmbeddingTolerance * checkpoint_->logit_scale());
    }
  }
}

// Light that is nearly even: int8 errs by little of what is in it, not of how bright it is.
TEST_P(TowersOnGoldens, Int8KeepsWhatIsInABrightPatch) {
  try {
    usable_precision(Precision::kInt8);
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  const auto count = golden_->floats("pixel_values").size() /
                     static_cast<std::size_t>(golden_->rows("pixel_values"));
  const std::vector<float> even(count, 2.0f);
  std::vector<float> bright = even;
  for (std::size_t i = 0; i < count; ++i) bright[i] += 0.02f * static_cast<float>(i * i % 7 - 3.0);
  const auto embedded = [&](Precision precision, const std::vector<float>& pixels) {
    Matrix embeddings;
    VisionTower(*checkpoint_, precision).forward(pixels, 1, [&](auto stage, const Matrix& x) {
      if (stage == "embeddings") embeddings = x;
    });
    return embeddings;
  };
  const Matrix want = embedded(Precision::kF32, bright), plain = embedded(Precision::kF32, even);
  const Matrix got = embedded(Precision::kInt8, bright);
  double error = 0, content = 0;
  for (int i = 0; i < want.rows(); ++i) {
    for (std::size_t k = 0; k < want.row(i).size(); ++k) {
      error += std::pow(static_cast<double>(got.row(i)[k]) - want.row(i)[k], 2);
      content += std::pow(static_cast<double>(want.row(i)[k]) - plain.row(i)[k], 2);
    }
  }
  EXPECT_LT(std::sqrt(error / content), 0.03);
}

INSTANTIATE_TEST_SUITE_P(Conformance, TowersOnGoldens,
                         testing::Values("tiny_quick_f32", "tiny_quick_f16", "tiny_quick_bf16",
                                         "tiny_quick_mixed", "tiny_quick_sharded", "tiny_gelu_f32",
                                         "medium_f16"),
                         [](const auto& model) { return std::string(model.param); });

// base_golden.json: ids, and pixels as numpy.linspace(-1, 1) over [3, 16, 16].
TEST(Towers, AgreeOnTheBaseOfTheBrokenCheckpoints) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto folder = *test::conformance() / "robustness";
  const auto golden = nlohmann::json::parse(std::ifstream(folder / "base_golden.json"));
  const auto checkpoint = std::make_shared<Checkpoint>(folder / "base");
  const std::vector<std::vector<std::int32_t>> ids = {golden.at("input_ids")};
  Matrix text = TextTower(checkpoint).forward(ids);
  normalise_rows(text);
  expect_near(text, golden.at("text_embeds"), kEmbeddingTolerance, "text_embeds");
  std::vector<float> pixels(3 * 16 * 16);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<float>(-1 + 2.0 * static_cast<double>(i) / (pixels.size() - 1.0));
  }
  Matrix image = VisionTower(*checkpoint).forward(pixels, 1);
  normalise_rows(image);
  expect_near(image, golden.at("image_embeds"), kEmbeddingTolerance, "image_embeds");
}

// The kit's README, section 3.
TEST(TextTower, PoolsAtTheFirstEndTokenOrAtTheLargestId) {
  const std::vector<std::int32_t> interior = {598, 5, 599, 7, 599, 599};
  EXPECT_EQ(TextTower::pooled_position(interior, 599), 2);
  EXPECT_EQ(TextTower::pooled_position(interior, 2), 2);
  const std::vector<std::int32_t> other = {0, 7, 2, 9, 9, 1};
  EXPECT_EQ(TextTower::pooled_position(other, 2), 3);
  EXPECT_EQ(TextTower::pooled_position(other, 7), 1);
  EXPECT_EQ(TextTower::pooled_position(other, 599), 5) << "without an end token: all of it";
}

TEST(TextTower, RefusesIdsOutsideItsVocabularyAndTextsTooLong) {
  PGMMR_NEEDS_CONFORMANCE();
  const TextTower tower(
      std::make_shared<Checkpoint>(*test::conformance() / "models/tiny_quick_f32"));
  using Ids = std::vector<std::int32_t>;
  for (const Ids& bad : {Ids{598, 600, 599}, Ids{598, -1, 599}, Ids{}, Ids(78, 599)}) {
    EXPECT_THROW(tower.forward({&bad, 1}), Error);
  }
}

TEST(VisionTower, RefusesPixelsOfAnotherSize) {
  PGMMR_NEEDS_CONFORMANCE();
  const VisionTower tower(Checkpoint(*test::conformance() / "models/tiny_quick_f32"));
  const std::vector<float> pixels(3 * 32 * 32 - 1);
  EXPECT_THROW(tower.forward(pixels, 1), Error);
  EXPECT_EQ(tower.forward({}, 0).rows(), 0);
}

}  // namespace
}  // namespace pgmmr
