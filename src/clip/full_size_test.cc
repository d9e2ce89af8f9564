// Both towers at the size users have, on random weights that the kit's generator writes (same
// arguments, same bytes), against embeddings in double precision.
//
// Three of the five checkpoints (1.5 GB) are written once under build/full-size and kept;
// PGMMR_FULL_SIZE=all takes all five (3.8 GB).
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "clip/encoder.h"
#include "clip/text_tower.h"
#include "clip/vision_tower.h"
#include "support/places.h"

namespace pgmmr {
namespace {

constexpr float kTolerance = 5e-6f;  // the kit's aim; PyTorch's float32 is within 1.5e-7

nlohmann::json read_json(const std::filesystem::path& path) {
  return nlohmann::json::parse(std::ifstream(path));
}

// The checkpoint's folder, written where it isn't there yet; empty where numpy is missing.
std::filesystem::path checkpoint_of(const nlohmann::json& model) {
  const std::string arch = model.at("arch"), dtype = model.at("dtype");
  const std::string seed = std::to_string(model.at("seed").get<int>());
  const auto root = test::source_dir() / "build/full-size";
  const auto folder = root / (arch + "-" + dtype + "-" + seed);
  if (std::filesystem::exists(folder / "model.safetensors")) return folder;
  if (test::run({"/usr/bin/python3", "-c", "import numpy"}).exit_code != 0) return {};
  const auto part = folder.string() + ".part" + std::to_string(getpid());
  const auto finished =
      test::run({"/usr/bin/python3", (*test::conformance() / "make_random_checkpoint.py").string(),
                 part, "--arch", arch, "--dtype", dtype, "--seed", seed, "--tokenizer",
                 (*test::conformance() / "tokenizer").string()});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  std::error_code lost_the_race;
  std::filesystem::rename(part, folder, lost_the_race);
  if (lost_the_race) std::filesystem::remove_all(part);
  return folder;
}

// pixel_values from the kit's resized and cropped bytes [224, 224, 3] (its README, section 2), so
// that this test stands on the towers alone.
void append_pixels(const std::string& picture, std::vector<float>& pixels) {
  const auto folder = *test::conformance() / "images/goldens";
  const auto manifest = read_json(folder / "manifest.json");
  const auto& entries = manifest.at("images");
  const auto entry = std::find_if(entries.begin(), entries.end(), [&](const auto& one) {
    return one.at("file") == picture && one.at("variant") == "primary";
  });
  ASSERT_NE(entry, entries.end()) << picture;
  const std::string npy = read_file(folder / entry->at("u8").template get<std::string>());
  constexpr std::size_t kPixels = 224 * 224;
  ASSERT_GT(npy.size(), kPixels * 3);
  const auto* bytes = reinterpret_cast<const unsigned char*>(npy.data() + npy.size() - kPixels * 3);
  const float mean[] = {0.48145466f, 0.4578275f, 0.40821073f};
  const float deviation[] = {0.26862954f, 0.26130258f, 0.27577711f};
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t i = 0; i < kPixels; ++i) {
      const auto scaled = static_cast<float>(bytes[i * 3 + channel] * (1 / 255.0));
      pixels.push_back((scaled - mean[channel]) / deviation[channel]);
    }
  }
}

void expect_rows(Matrix embeddings, const nlohmann::json& golden) {
  normalise_rows(embeddings);
  ASSERT_EQ(static_cast<std::size_t>(embeddings.rows()), golden.size());
  float largest = 0;
  for (int i = 0; i < embeddings.rows(); ++i) {
    for (std::size_t k = 0; k < embeddings.row(i).size(); ++k) {
      const float want = golden.at(static_cast<std::size_t>(i)).at(k).get<float>();
      largest = std::max(largest, std::abs(embeddings.row(i)[k] - want));
    }
  }
  EXPECT_LE(largest, kTolerance);
}

double smallest_cosine(const Matrix& embeddings, const nlohmann::json& golden) {
  double smallest = 1;
  for (int i = 0; i < embeddings.rows(); ++i) {
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t k = 0; k < embeddings.row(i).size(); ++k) {
      const double a = embeddings.row(i)[k];
      const double b = golden.at(static_cast<std::size_t>(i)).at(k).get<double>();
      ab += a * b;
      aa += a * a;
      bb += b * b;
    }
    smallest = std::min(smallest, ab / std::sqrt(aa * bb));
  }
  return smallest;
}

class FullSize : public testing::TestWithParam<std::size_t> {};

TEST_P(FullSize, EmbeddingsAgreeWithDoublePrecision) {
  PGMMR_NEEDS_CONFORMANCE();
  const char* asked = std::getenv("PGMMR_FULL_SIZE");
  if (GetParam() >= 3 && (asked == nullptr || std::strcmp(asked, "all") != 0)) {
    GTEST_SKIP() << "takes a gigabyte or two: set PGMMR_FULL_SIZE=all";
  }
  const auto goldens = read_json(*test::conformance() / "full_size_goldens.json");
  const auto& model = goldens.at("models").at(GetParam());
  const auto folder = checkpoint_of(model);
  if (folder.empty()) GTEST_SKIP() << "the kit's generator needs numpy";
  ASSERT_EQ(sha256_hex_of_file(folder / "model.safetensors"),
            model.at("model_safetensors_sha256").get<std::string>())
      << "remove " << folder;

  const auto checkpoint = std::make_shared<Checkpoint>(folder);
  {
    const TextTower tower(checkpoint);
    expect_rows(
        tower.forward(goldens.at("input_ids").get<std::vector<std::vector<std::int32_t>>>()),
        model.at("text_embeds"));
  }
  std::vector<float> pixels;
  for (const std::string picture : goldens.at("images")) append_pixels(picture, pixels);
  const auto pictures = static_cast<int>(goldens.at("images").size());
  {
    const VisionTower tower(*checkpoint);
    expect_rows(tower.forward(pixels, pictures), model.at("image_embeds"));
  }

  // What is promised of the other precisions where the CPU has them.
  for (const auto& [precision, least] :
       {std::pair{Precision::kBf16, 0.9999}, std::pair{Precision::kInt8, 0.9995}}) {
    try {
      usable_precision(precision);
    } catch (const Error&) {
      continue;
    }
    const TextTower words(checkpoint, precision);
    const double of_texts = smallest_cosine(
        words.forward(goldens.at("input_ids").get<std::vector<std::vector<std::int32_t>>>()),
        model.at("text_embeds"));
    EXPECT_GE(of_texts, least) << name_of(precision);
    const VisionTower tower(*checkpoint, precision);
    const double of_pictures =
        smallest_cosine(tower.forward(pixels, pictures), model.at("image_embeds"));
    EXPECT_GE(of_pictures, least) << name_of(precision);
    RecordProperty(std::string(name_of(precision)) + "_texts", std::to_string(of_texts));
    RecordProperty(std::string(name_of(precision)) + "_pictures", std::to_string(of_pictures));
  }
}

std::string model_name(const testing::TestParamInfo<std::size_t>& model) {
  constexpr const char* kNames[] = {"VitB32", "VitB32F16", "LaionB32Gelu", "VitB16", "VitL14"};
  return kNames[model.param];
}

INSTANTIATE_TEST_SUITE_P(Conformance, FullSize, testing::Range<std::size_t>(0, 5), model_name);

}  // namespace
}  // namespace pgmmr
