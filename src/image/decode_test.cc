#include "image/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "image/encode.h"
#include "support/places.h"

namespace pgmmr {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

std::string digest(const Picture& picture) {
  return sha256_hex({reinterpret_cast<const char*>(picture.rgb.data()), picture.rgb.size()});
}

Picture decode_file(const std::filesystem::path& path, Orientation orientation) {
  DecodeOptions options;
  options.orientation = orientation;
  return decode_picture(read_file(path), path.filename().string(), options);
}

TEST(Decode, GivesPillowsBytesForEveryKitPicture) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto images = *test::conformance() / "images";
  const Json manifest = Json::parse(read_file(images / "goldens/manifest.json"));
  std::set<std::string> seen;
  for (const auto& entry : manifest["images"]) {
    if (entry["variant"] == "high_byte") continue;  // the other accepted reading of gray16.png
    const std::string file = entry["file"];
    SCOPED_TRACE(file + " " + entry["variant"].get<std::string>());
    const bool applied = entry["variant"] == "exif_applied";
    const Picture picture =
        decode_file(images / "inputs" / file, applied ? Orientation::kApply : Orientation::kIgnore);
    EXPECT_EQ(picture.width, entry["decoded_wh"][0]);
    EXPECT_EQ(picture.height, entry["decoded_wh"][1]);
    EXPECT_EQ(digest(picture), entry["decoded_rgb_sha256"]);
    seen.insert(file);
  }
  EXPECT_GE(seen.size(), 49U);
}

// Name of case, and words that its refusal must hold beside the file's name.
struct Refusal {
  const char* name;
  const char* words;
};

class KitRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(KitRefusal, NamesThePictureAndTheReason) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto folder = *test::conformance() / "robustness/cases" / GetParam().name;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const std::string name = file.path().filename().string();
    try {
      decode_picture(read_file(file.path()), name);
      FAIL() << name << " was read";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(name));
      EXPECT_THAT(error.what(), HasSubstr(GetParam().words));
      EXPECT_THAT(error.what(), testing::Not(HasSubstr("\n")));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kit, KitRefusal,
    testing::Values(
        Refusal{"img_zero_bytes", "empty"}, Refusal{"img_text_as_jpg", "text file"},
        Refusal{"img_html_as_jpg", "HTML page"},
        Refusal{"img_random_as_jpg", "unknown picture format"},
        Refusal{"img_truncated_jpg", "ends early"}, Refusal{"img_jpg_header_only", "ends early"},
        Refusal{"img_jpg_soi_eoi", "damaged"}, Refusal{"img_truncated_png", "ends early"},
        Refusal{"img_truncated_webp", "ends early"}, Refusal{"img_truncated_gif", "ends early"},
        Refusal{"img_truncated_bmp", "ends early"},
        Refusal{"img_jpg_bomb_dims", "limit of 178956970"},
        Refusal{"img_png_bomb_dims", "limit of 178956970"},
        Refusal{"img_png_bomb_real", "limit of 178956970"},
        Refusal{"img_png_zero_dims", "at least 1 x 1"}, Refusal{"img_png_bad_crc", "damaged"},
        Refusal{"img_png_corrupt_idat", "damaged"}, Refusal{"img_png_no_idat", "damaged"},
        Refusal{"img_gif_no_frames", "holds no frame"},
        Refusal{"img_gif_bad_lzw", "code size of 12"},
        Refusal{"img_bmp_bad_header", "at least 1 x 1"},
        Refusal{"img_bmp_huge_offset", "pixels begin at byte"}, Refusal{"img_heic", "HEIC/HEIF"},
        Refusal{"img_avif", "AVIF"}, Refusal{"img_svg", "SVG"}),
    [](const auto& tested) { return tested.param.name; });

TEST(Decode, ReadsAwkwardButValidKitPictures) {
  PGMMR_NEEDS_CONFORMANCE();
  for (const char* name : {"img_jpg_named_png", "img_jpg_trailing_garbage"}) {
    for (const auto& file :
         std::filesystem::directory_iterator(*test::conformance() / "robustness/cases" / name)) {
      EXPECT_NO_THROW(decode_file(file.path(), Orientation::kApply)) << file.path();
    }
  }
}

TEST(Decode, SurvivesTheKitsUndecidedPictures) {
  PGMMR_NEEDS_CONFORMANCE();
  for (const char* name : {"img_png_palette_index_range", "img_gif_frame_outside"}) {
    for (const auto& file :
         std::filesystem::directory_iterator(*test::conformance() / "robustness/cases" / name)) {
      try {
        decode_file(file.path(), Orientation::kApply);
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr(file.path().filename().string()));
      }
    }
  }
}

}  // namespace
}  // namespace pgmmr
