#include "clip/image_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "image/decode.h"
#include "support/places.h"

namespace pgmmr {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

std::string digest(const Picture& picture) {
  return sha256_hex({reinterpret_cast<const char*>(picture.rgb.data()), picture.rgb.size()});
}

// CLIPImageProcessor alone does not look at EXIF.
Picture decode_file(const std::filesystem::path& path,
                    Orientation orientation = Orientation::kIgnore) {
  DecodeOptions options;
  options.orientation = orientation;
  return decode_picture(read_file(path), path.filename().string(), options);
}

ImageProcessor processor_from(const Json& config, int image_size = 0) {
  return ImageProcessor::parse(config.dump(), "preprocessor_config.json", image_size);
}

std::vector<float> pixels_of(const ImageProcessor& processor, const Picture& picture) {
  std::vector<float> pixels(static_cast<std::size_t>(3 * processor.width() * processor.height()));
  processor.process(picture, pixels);
  return pixels;
}

double mean_of(const std::vector<float>& pixels, std::size_t channel) {
  const std::size_t plane = pixels.size() / 3;
  double sum = 0;
  for (std::size_t i = 0; i < plane; ++i) sum += pixels[channel * plane + i];
  return sum / static_cast<double>(plane);
}

TEST(ImageProcessor, CropsEveryKitPictureAsTheReferenceDoes) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto images = *test::conformance() / "images";
  const Json manifest = Json::parse(read_file(images / "goldens/manifest.json"));
  const ImageProcessor processor = processor_from(Json::object());
  int compared = 0;
  for (const auto& entry : manifest["images"]) {
    if (entry["variant"] == "high_byte") continue;
    SCOPED_TRACE(entry["file"].get<std::string>());
    const bool applied = entry["variant"] == "exif_applied";
    const Picture picture = decode_file(images / "inputs" / entry["file"].get<std::string>(),
                                        applied ? Orientation::kApply : Orientation::kIgnore);
    EXPECT_EQ(digest(processor.crop(picture)), entry["u8_sha256"].get<std::string>());
    const auto pixels = pixels_of(processor, picture);
    for (std::size_t channel = 0; channel < 3; ++channel) {
      EXPECT_NEAR(mean_of(pixels, channel), entry["mean"][channel].get<double>(), 1e-6);
    }
    ++compared;
  }
  EXPECT_GE(compared, 49);
}

TEST(ImageProcessor, GivesTheReferencesFloatsBitForBit) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto images = *test::conformance() / "images";
  const Json manifest = Json::parse(read_file(images / "goldens/manifest.json"));
  const ImageProcessor processor = processor_from(Json::object());
  int compared = 0;
  for (const auto& entry : manifest["images"]) {
    if (!entry.contains("pixel_values")) continue;
    SCOPED_TRACE(entry["file"].get<std::string>());
    const auto pixels =
        pixels_of(processor, decode_file(images / "inputs" / entry["file"].get<std::string>()));
    const std::string npy =
        read_file(images / "goldens" / entry["pixel_values"].get<std::string>());
    const std::size_t bytes = pixels.size() * sizeof(float);
    ASSERT_GT(npy.size(), bytes);
    EXPECT_EQ(std::memcmp(npy.data() + npy.size() - bytes, pixels.data(), bytes), 0);
    ++compared;
  }
  EXPECT_EQ(compared, 3);
}

TEST(ImageProcessor, FollowsEveryVariantOfTheFile) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto images = *test::conformance() / "images";
  const Json variants = Json::parse(read_file(images / "variants/variants.json"));
  for (const auto& entry : variants) {
    const std::string config = entry["config"], file = entry["file"];
    SCOPED_TRACE(config + " " + file);
    const auto processor =
        ImageProcessor::parse(read_file(images / "variants" / config), config, 0);
    const Picture picture = decode_file(images / "inputs" / file);
    EXPECT_EQ(processor.height(), entry["out_hw"][0]);
    EXPECT_EQ(processor.width(), entry["out_hw"][1]);
    EXPECT_EQ(digest(processor.crop(picture)), entry["u8_sha256"].get<std::string>());
    const auto pixels = pixels_of(processor, picture);
    for (std::size_t channel = 0; channel < 3; ++channel) {
      EXPECT_NEAR(mean_of(pixels, channel), entry["mean"][channel].get<double>(), 1e-6);
    }
  }
}

void expect_refusal(const Json& config, int image_size, const std::string& words) {
  try {
    processor_from(config, image_size);
    FAIL() << config << " was taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("preprocessor_config.json"));
    EXPECT_THAT(error.what(), HasSubstr(words));
  }
}

TEST(ImageProcessor, RefusesTheKitsBrokenFiles) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto cases = *test::conformance() / "robustness/cases";
  const std::pair<const char*, const char*> expected[] = {
      {"prep_std_zero", "image_std"},
      {"prep_mean_one_entry", "image_mean"},
      {"prep_crop_mismatch", "vision_config.image_size"},
      {"prep_negative_size", "size must be a positive"}};
  for (const auto& [name, words] : expected) {
    SCOPED_TRACE(name);
    const Json model = Json::parse(read_file(*test::conformance() / "robustness/base/config.json"));
    expect_refusal(Json::parse(read_file(cases / name / "preprocessor_config.json")),
                   model["vision_config"]["image_size"], words);
  }
}

TEST(ImageProcessor, RefusesWhatItCannotFollow) {
  expect_refusal({{"size", 0}}, 0, "size");
  expect_refusal({{"size", "224"}}, 0, "size");
  expect_refusal({{"size", 1e18}}, 0, "size");
  expect_refusal({{"size", {{"height", -1}, {"width", 224}}}}, 0, "size.height");
  expect_refusal({{"size", {{"longest_edge", 224}}}}, 0, "size");
  expect_refusal({{"size", Json::object()}}, 0, "size");
  expect_refusal({{"crop_size", {{"height", 224}}}}, 0, "crop_size");
  expect_refusal({{"resample", 9}}, 0, "resample");
  expect_refusal({{"do_resize", 1}}, 0, "do_resize");
  expect_refusal({{"image_mean", {0.5, "x", 0.5}}}, 0, "image_mean");
  expect_refusal({{"image_std", {0.5, 1e-60, 0.5}}}, 0, "image_std");
  expect_refusal({{"rescale_factor", "a"}}, 0, "rescale_factor");
  expect_refusal({{"do_center_crop", false}}, 0, "do_center_crop");
  expect_refusal(Json::array(), 0, "JSON object");
}

TEST(ImageProcessor, TakesClipsDefaultsWhereThereIsNoFile) {
  const test::TemporaryFolder folder;
  const auto processor = ImageProcessor::load(folder.path(), 336);
  EXPECT_EQ(processor.width(), 336);
  EXPECT_EQ(processor.height(), 336);
}

TEST(ImageProcessor, ReadsTheNewerFileWithItsNestedSection) {
  const test::TemporaryFolder folder;
  write_file(folder.path() / "processor_config.json",
             R"({"image_processor": {"image_processor_type": "CLIPImageProcessorFast",
                 "size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
                 "processor_class": "CLIPProcessor"})");
  EXPECT_EQ(ImageProcessor::load(folder.path(), 32).width(), 32);
}

// The four flags alone, by hand: a picture of one colour keeps it through any resize.
TEST(ImageProcessor, LeavesOutTheStepsThatAreSwitchedOff) {
  Picture flat(8, 8);
  std::fill(flat.rgb.begin(), flat.rgb.end(), std::uint8_t{51});
  const auto first = [&](const Json& flags) {
    Json config = {{"size", 8},
                   {"crop_size", 8},
                   {"image_mean", {0.5, 0.5, 0.5}},
                   {"image_std", {0.25, 0.25, 0.25}}};
    config.update(flags);
    return pixels_of(processor_from(config), flat)[0];
  };
  EXPECT_FLOAT_EQ(first(Json::object()), (0.2f - 0.5f) / 0.25f);
  EXPECT_FLOAT_EQ(first({{"do_normalize", false}}), 0.2f);
  EXPECT_FLOAT_EQ(first({{"do_rescale", false}}), (51 - 0.5f) / 0.25f);
  EXPECT_FLOAT_EQ(first({{"do_rescale", false}, {"do_normalize", false}}), 51);
  EXPECT_FLOAT_EQ(first({{"rescale_factor", 1.0}, {"do_normalize", false}}), 51);
}

// transformers' center_crop on 3 x 2 pixels to 4 x 5: one zero column on the left (ceil of 0.5),
// two zero rows on top (ceil of 1.5).
TEST(ImageProcessor, PadsTheOddPixelOnTopAndLeft) {
  Picture white(3, 2);
  std::fill(white.rgb.begin(), white.rgb.end(), std::uint8_t{255});
  const Picture padded =
      processor_from({{"do_resize", false}, {"crop_size", {{"height", 5}, {"width", 4}}}})
          .crop(white);
  std::string drawn;
  for (int y = 0; y < 5; ++y) {
    for (int x = 0; x < 4; ++x) {
      drawn += padded.rgb[static_cast<std::size_t>((y * 4 + x) * 3)] == 255 ? '#' : '.';
    }
    drawn += '\n';
  }
  EXPECT_EQ(drawn, "....\n....\n.###\n.###\n....\n");
}

// 301 x 200, read at a half: 151 x 100 would be resized to 338 wide and cut one pixel further
// right.
TEST(ImageProcessor, TakesTheShapeOfTheWholePicture) {
  const ImageProcessor processor = processor_from(Json::object());
  Picture reduced(151, 100);
  for (std::size_t i = 0; i < reduced.rgb.size(); ++i)
    reduced.rgb[i] = static_cast<std::uint8_t>(i);
  reduced.whole_width = 301;
  reduced.whole_height = 200;
  EXPECT_EQ(processor.crop(reduced).rgb,
            resize(reduced, 337, 224, Filter::kBicubic, {56, 0, 224, 224}).rgb);
}

TEST(ImageProcessor, SaysFromWhichEdgeOnAPictureMayBeReduced) {
  EXPECT_EQ(processor_from(Json::object()).enough_edge(), 448);
  EXPECT_EQ(processor_from({{"size", 336}, {"crop_size", 336}}).enough_edge(), 672);
  EXPECT_EQ(processor_from({{"size", {{"height", 200}, {"width", 300}}}, {"do_center_crop", false}})
                .enough_edge(),
            600);
  EXPECT_EQ(processor_from({{"size", 64}, {"crop_size", 64}}).enough_edge(), 320);
  EXPECT_EQ(processor_from({{"do_resize", false}}).enough_edge(), 0);
  EXPECT_EQ(processor_from({{"resample", 0}}).enough_edge(), 0);
}

TEST(ImageProcessor, RefusesAPictureOfOnePixelsWidthAndEndlessHeight) {
  const Picture thread(1, 20'000'000);
  EXPECT_THROW(processor_from(Json::object()).crop(thread), Error);
}

}  // namespace
}  // namespace pgmmr
