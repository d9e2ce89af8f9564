#include "image/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "image/encode.h"
#include "image/flatten.h"
#include "image/waves_test.h"
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
    EXPECT_EQ(digest(picture), entry["decoded_rgb_sha256"].get<std::string>());
    seen.insert(file);
  }
  EXPECT_GE(seen.size(), 49U);
}

// Pictures drawn and digested by Pillow: tests/data/images/make_images.py.
TEST(Decode, GivesPillowsBytesForOurOwnPictures) {
  const auto folder = test::test_data() / "images";
  const Json expected = Json::parse(read_file(folder / "expected.json"));
  for (const auto& [name, entry] : expected["pictures"].items()) {
    SCOPED_TRACE(name);
    const Picture picture = decode_file(folder / name, Orientation::kApply);
    EXPECT_EQ(picture.width, entry["size"][0]);
    EXPECT_EQ(picture.height, entry["size"][1]);
    EXPECT_EQ(digest(picture), entry["sha256"].get<std::string>());
    EXPECT_EQ(!picture.alpha.empty(), entry.contains("on_white_sha256"));
    EXPECT_EQ(digest(flatten(picture)),
              entry.value("on_white_sha256", entry["sha256"].get<std::string>()));
  }
}

// A logo's empty ground is black to CLIP and white to people.
TEST(EncodeThumbnail, ShowsWhatIsTransparentOnWhite) {
  Picture picture(64, 64);
  picture.alpha.assign(picture.rgb.size() / 3, 0);
  for (const int side : {64, 16}) {
    const Picture seen = decode_picture(encode_thumbnail(picture, side), "thumbnail");
    EXPECT_THAT(seen.rgb, testing::Each(testing::Ge(254))) << side;
  }
}

TEST(Decode, LeavesTheStoredSamplesWhereOrientationIsIgnored) {
  const auto folder = test::test_data() / "images";
  const Picture upright = decode_file(folder / "orientation1.png", Orientation::kIgnore);
  for (int orientation = 2; orientation <= 8; ++orientation) {
    const std::string name = "orientation" + std::to_string(orientation) + ".png";
    EXPECT_EQ(decode_file(folder / name, Orientation::kIgnore).rgb, upright.rgb) << name;
  }
}

std::string with_exif(const std::string& jpeg, const std::string& tiff) {
  const std::string payload = std::string("Exif\0\0", 6) + tiff;
  const std::size_t length = payload.size() + 2;
  std::string segment = "\xFF\xE1";
  segment += static_cast<char>(length >> 8);
  segment += static_cast<char>(length & 0xFF);
  return jpeg.substr(0, 2) + segment + payload + jpeg.substr(2);
}

// EXIF 2.3 with TIFF 6.0's directory, one entry, as both byte orders write it; 6 says that the top
// of what people see is the right side of what is stored.
TEST(Decode, TurnsAJpegAsItsExifSegmentSays) {
  using namespace std::string_literals;
  const std::string jpeg = read_file(test::test_data() / "images/rgb.jpg");
  const Picture stored = decode_picture(jpeg, "stored");
  const std::string little = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"s;
  const std::string big = "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"s;
  for (const std::string& tiff : {little, big}) {
    const Picture seen = decode_picture(with_exif(jpeg, tiff), "turned");
    ASSERT_EQ(seen.width, stored.height);
    ASSERT_EQ(seen.height, stored.width);
    for (int y = 0; y < seen.height; ++y) {
      for (int x = 0; x < seen.width; ++x) {
        const auto at = static_cast<std::size_t>(y * seen.width + x) * 3;
        const auto from = static_cast<std::size_t>((stored.height - 1 - x) * stored.width + y) * 3;
        ASSERT_EQ(seen.rgb[at], stored.rgb[from]) << x << ", " << y;
      }
    }
  }
  // What is cut off or makes no sense leaves the picture as it lies.
  for (std::size_t length = 0; length < little.size() - 4; ++length) {
    EXPECT_EQ(decode_picture(with_exif(jpeg, little.substr(0, length)), "cut").rgb, stored.rgb);
  }
  std::string far = little;
  far[7] = '\x7F';
  EXPECT_EQ(decode_picture(with_exif(jpeg, far), "far").rgb, stored.rgb);
}

TEST(Decode, ReadsALargeJpegAtTheFractionThatIsEnough) {
  const std::string jpeg = encode_thumbnail(waves(803, 605), 803, 95);
  struct Case {
    int enough_edge, width, height;
  };
  for (const auto& [enough_edge, width, height] :
       {Case{0, 803, 605}, Case{303, 402, 303}, Case{304, 803, 605}, Case{152, 201, 152},
        Case{153, 402, 303}, Case{76, 101, 76}, Case{1, 101, 76}}) {
    DecodeOptions options;
    options.enough_edge = enough_edge;
    const Picture picture = decode_picture(jpeg, "waves", options);
    EXPECT_EQ(picture.width, width) << enough_edge;
    EXPECT_EQ(picture.height, height) << enough_edge;
    EXPECT_EQ(picture.whole_width, width == 803 ? 0 : 803);
    EXPECT_EQ(picture.whole_height, width == 803 ? 0 : 605);
  }
}

// A reduced pixel is the mean of those it stands for, as far as a JPEG's rounding goes.
TEST(Decode, AReducedJpegShowsTheMeansOfTheWholeOne) {
  const std::string jpeg = encode_thumbnail(waves(800, 600), 800, 95);
  const Picture whole = decode_picture(jpeg, "waves");
  for (const int reduction : {2, 4, 8}) {
    DecodeOptions options;
    options.enough_edge = 600 / reduction;
    const Picture small = decode_picture(jpeg, "waves", options);
    ASSERT_EQ(small.height, 600 / reduction);
    double worst = 0;
    for (int y = 0; y < small.height; ++y) {
      for (int i = 0; i < small.width * 3; ++i) {
        double sum = 0;
        for (int dy = 0; dy < reduction; ++dy) {
          for (int dx = 0; dx < reduction; ++dx) {
            sum += whole.rgb[static_cast<std::size_t>((y * reduction + dy) * whole.width +
                                                      i / 3 * reduction + dx) *
                                 3 +
                             static_cast<std::size_t>(i % 3)];
          }
        }
        const double mean = sum / (reduction * reduction);
        worst = std::max(
            worst, std::abs(mean - small.rgb[static_cast<std::size_t>(y * small.width * 3 + i)]));
      }
    }
    EXPECT_LT(worst, 4) << "at 1/" << reduction;
  }
}

TEST(Decode, TurnsAReducedJpegWithItsWholeShape) {
  using namespace std::string_literals;
  const std::string jpeg =
      with_exif(encode_thumbnail(waves(800, 600), 800, 95),
                "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"s);
  DecodeOptions options;
  options.enough_edge = 150;
  const Picture picture = decode_picture(jpeg, "turned", options);
  EXPECT_EQ(picture.width, 150);
  EXPECT_EQ(picture.height, 200);
  EXPECT_EQ(picture.whole_width, 600);
  EXPECT_EQ(picture.whole_height, 800);
}

// libpng would take two gigabytes for it first.
TEST(Decode, RefusesAPngWhoseChunkIsLongerThanTheFile) {
  std::string png = encode_png(Picture(3, 2));
  png.insert(33,
             "\x7F\xFF\xFF\xF0"
             "eXIfMM");
  try {
    decode_picture(png, "long.png");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCorrupt);
    EXPECT_THAT(error.what(),
                HasSubstr("long.png: the PNG data ends early, within a chunk at byte 33 "
                          "that says it has 2147483632 bytes"));
  }
}

// Scans without end are how a small progressive file keeps a decoder busy.
TEST(Decode, RefusesAJpegOfTooManyScans) {
  const std::string jpeg = read_file(test::test_data() / "images/progressive.jpg");
  // The last scan again and again: from its SOS marker (T.81, B.2.3) to the end marker.
  const std::size_t scan = jpeg.rfind("\xFF\xDA");
  ASSERT_NE(scan, std::string::npos);
  const std::string last = jpeg.substr(scan, jpeg.size() - 2 - scan);
  std::string long_one = jpeg.substr(0, jpeg.size() - 2);
  for (int i = 0; i < 200; ++i) long_one += last;
  long_one += "\xFF\xD9";
  try {
    decode_picture(long_one, "long.jpg");
    FAIL() << "was read";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("more than 100 scans"));
  }
}

// Every shorter file is a damaged one; some formats do not miss their last bytes.
TEST(Decode, NeverTakesHalfAPicture) {
  const auto folder = test::test_data() / "images";
  for (const char* name : {"rgb.jpg", "progressive.jpg", "rgb.png", "lossless.webp", "lossy.webp",
                           "palette.gif", "rgb24.bmp", "rle8.bmp", "rgb.tif"}) {
    const std::string whole = read_file(folder / name);
    for (int tenths = 0; tenths < 10; ++tenths) {
      const std::string part =
          whole.substr(0, whole.size() * static_cast<std::size_t>(tenths) / 10);
      EXPECT_THROW(decode_picture(part, name), Error) << name << ", " << tenths << "/10";
    }
  }
}

TEST(Decode, KeepsToTheCallersLimit) {
  DecodeOptions options;
  options.max_pixels = 37 * 23 - 1;
  for (const char* name :
       {"rgb.jpg", "rgb.png", "lossy.webp", "palette.gif", "offset.gif", "rgb24.bmp", "rgb.tif"}) {
    const std::string bytes = read_file(test::test_data() / "images" / name);
    try {
      decode_picture(bytes, name, options);
      FAIL() << name << " was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
      EXPECT_THAT(error.what(), HasSubstr("limit of 850"));
    }
  }
}

TEST(Decode, WorksOnManyThreadsAtOnce) {
  const auto folder = test::test_data() / "images";
  const std::string good = read_file(folder / "rgb.jpg");
  const std::string bad = good.substr(0, good.size() / 2);
  const Picture expected = decode_picture(good, "good");
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 25; ++i) {
          try {
            const bool broken = (t + i) % 2 != 0;
            const Picture picture = decode_picture(broken ? bad : good, "threaded");
            if (broken || picture.rgb != expected.rgb) ++wrong;
          } catch (const Error&) {
            if ((t + i) % 2 == 0) ++wrong;
          }
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Decode, TellsMediaTypesAndExtensions) {
  EXPECT_EQ(media_type(read_file(test::test_data() / "images/rgb.jpg")), "image/jpeg");
  EXPECT_EQ(media_type(read_file(test::test_data() / "images/lossy.webp")), "image/webp");
  EXPECT_EQ(media_type("\x01\x02\x03"), "application/octet-stream");
  EXPECT_EQ(media_type(""), "application/octet-stream");
  EXPECT_TRUE(has_picture_extension("a/b.c/photo.JPeG"));
  EXPECT_TRUE(has_picture_extension("scan.tiff"));
  EXPECT_FALSE(has_picture_extension("folder.jpg/readme"));
  EXPECT_FALSE(has_picture_extension("photo.jpg.txt"));
  EXPECT_FALSE(has_picture_extension("jpg"));
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
        Refusal{"img_png_zero_dims", "at least 1 x 1"}, Refusal{"img_png_bad_crc", "checksum"},
        Refusal{"img_png_corrupt_idat", "damaged"}, Refusal{"img_png_no_idat", "no image data"},
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
