#include "image/resize.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "image/decode.h"
#include "image/resize_kernels.h"
#include "support/places.h"

namespace pgmmr {
namespace {

Picture noise(int width, int height, std::mt19937& random) {
  Picture picture(width, height);
  for (auto& byte : picture.rgb) {
    // Extremes in plenty: they are what overshoots and gets clamped.
    const auto draw = random();
    byte = draw % 4 == 0   ? std::uint8_t{0}
           : draw % 4 == 1 ? std::uint8_t{255}
                           : static_cast<std::uint8_t>(draw >> 8);
  }
  return picture;
}

Picture part_of(const Picture& picture, const Rectangle& crop) {
  Picture part(crop.width, crop.height);
  std::size_t at = 0;
  for (int y = 0; y < crop.height; ++y) {
    for (int x = 0; x < crop.width * 3; ++x) {
      part.rgb[at++] = picture.rgb[static_cast<std::size_t>(crop.top + y) *
                                       static_cast<std::size_t>(picture.width) * 3 +
                                   static_cast<std::size_t>(crop.left * 3 + x)];
    }
  }
  return part;
}

int draw(std::mt19937& random, int from, int to) {
  return std::uniform_int_distribution(from, to)(random);
}

// Digests by Pillow, one a filter: tests/data/images/make_images.py.
TEST(Resize, GivesPillowsBytesWithEveryFilter) {
  const auto folder = test::test_data() / "images";
  const Picture picture = decode_picture(read_file(folder / "rgb.png"), "rgb.png");
  const auto expected = nlohmann::json::parse(read_file(folder / "expected.json"));
  for (const auto& [number, digest] : expected["resized_rgb_png_to_19x40"].items()) {
    const Picture resized = resize(picture, 19, 40, static_cast<Filter>(std::stoi(number)));
    EXPECT_EQ(sha256_hex({reinterpret_cast<const char*>(resized.rgb.data()), resized.rgb.size()}),
              digest.get<std::string>())
        << "filter " << number;
  }
}

TEST(Resize, EqualsThePlainVersionOnRandomShapesAndCrops) {
  std::mt19937 random(1);
  for (int round = 0; round < 400; ++round) {
    const int most = round % 4 == 0 ? 6 : 90;
    const Picture picture = noise(draw(random, 1, most), draw(random, 1, most), random);
    const int width = round % 7 == 0 ? picture.width : draw(random, 1, most);
    const int height = round % 11 == 0 ? picture.height : draw(random, 1, most);
    const auto filter = static_cast<Filter>(round % 6);
    Rectangle crop;
    crop.left = draw(random, 0, width - 1);
    crop.top = draw(random, 0, height - 1);
    crop.width = draw(random, 1, width - crop.left);
    crop.height = draw(random, 1, height - crop.top);
    SCOPED_TRACE(std::to_string(picture.width) + " x " + std::to_string(picture.height) + " to " +
                 std::to_string(width) + " x " + std::to_string(height) + ", filter " +
                 std::to_string(static_cast<int>(filter)));
    const Picture plain = resize_plain(picture, width, height, filter);
    ASSERT_EQ(resize(picture, width, height, filter).rgb, plain.rgb);
    ASSERT_EQ(resize(picture, width, height, filter, crop).rgb, part_of(plain, crop).rgb);
  }
}

TEST(Resize, EqualsThePlainVersionOnExtremeShapes) {
  std::mt19937 random(2);
  const std::vector<std::vector<int>> shapes{
      {1, 1, 224, 224}, {5000, 1, 224, 3},    {1, 5000, 3, 224}, {3000, 2, 1, 1},
      {2, 3000, 50, 2}, {700, 500, 298, 224}, {7, 5, 700, 1},    {2049, 33, 17, 33}};
  for (const auto& shape : shapes) {
    const Picture picture = noise(shape[0], shape[1], random);
    EXPECT_EQ(resize(picture, shape[2], shape[3]).rgb,
              resize_plain(picture, shape[2], shape[3], Filter::kBicubic).rgb)
        << shape[0] << " x " << shape[1];
  }
}

// Those of lesser CPUs too, on a machine that would choose better ones.
TEST(Resize, KernelsOfEveryCpuAgree) {
  std::mt19937 random(3);
  const ResizeKernels portable = portable_resize_kernels();
  for (const ResizeKernels& kernels : usable_resize_kernels()) {
    SCOPED_TRACE(kernels.name);
    for (int round = 0; round < 100; ++round) {
      const Picture picture =
          noise(draw(random, 1, round % 3 == 0 ? 200 : 20), draw(random, 1, 40), random);
      const auto stride = static_cast<std::size_t>(picture.width) * 3;
      Taps taps;
      for (int i = 0; i < 37; ++i) {
        const int first = draw(random, 0, picture.width - 1);
        const int count = draw(random, 1, picture.width - first);
        taps.ranges.push_back({first, count, taps.weights.size()});
        for (int j = 0; j < count; ++j) {
          taps.weights.push_back(draw(random, -(1 << 20), 5 << 20) / count);
        }
      }
      Picture one(37, picture.height), other(37, picture.height);
      portable.horizontal(picture.rgb.data(), picture.rgb.size(), stride, one.rgb.data(), 37 * 3,
                          picture.height, taps);
      kernels.horizontal(picture.rgb.data(), picture.rgb.size(), stride, other.rgb.data(), 37 * 3,
                         picture.height, taps);
      ASSERT_EQ(one.rgb, other.rgb);

      std::vector<std::int32_t> weights;
      for (int y = 0; y < picture.height; ++y) {
        weights.push_back(draw(random, -(1 << 20), 5 << 20) / picture.height);
      }
      std::vector<std::uint8_t> upper(stride), lower(stride);
      portable.vertical(picture.rgb.data(), stride, weights.data(), picture.height, upper.data(),
                        stride);
      kernels.vertical(picture.rgb.data(), stride, weights.data(), picture.height, lower.data(),
                       stride);
      ASSERT_EQ(upper, lower);
    }
  }
}

// Against the specification itself, at a photo's ratio, with the loops of every CPU.
TEST(Resize, KernelsOfEveryCpuGiveThePlainVersionsBytes) {
  std::mt19937 random(6);
  const Picture picture = noise(640, 45, random);
  const Picture plain = resize_plain(picture, 47, 45, Filter::kBicubic);
  ASSERT_EQ(resize(picture, 47, 45).rgb, plain.rgb);
  for (const ResizeKernels& kernels : usable_resize_kernels()) {
    EXPECT_EQ(resize_with(kernels, picture, 47, 11, Filter::kBicubic, {0, 0, 47, 11}).rgb,
              resize_plain(picture, 47, 11, Filter::kBicubic).rgb)
        << kernels.name;
  }
}

TEST(Resize, ComputesOnlyTheCrop) {
  // The whole would be 3 GB.
  std::mt19937 random(4);
  const Picture picture = noise(2, 20'000, random);
  const Picture part = resize(picture, 224, 2'240'000, Filter::kBicubic, {0, 1'000'000, 224, 224});
  EXPECT_EQ(part.rgb.size(), std::size_t{224} * 224 * 3);
}

TEST(Resize, CopiesWhereTheSizeStays) {
  std::mt19937 random(5);
  const Picture picture = noise(31, 17, random);
  EXPECT_EQ(resize(picture, 31, 17).rgb, picture.rgb);
}

TEST(Resize, RefusesSizesCropsAndFiltersThatMakeNoSense) {
  const Picture picture(4, 4);
  EXPECT_THROW(resize(picture, 0, 4), Error);
  EXPECT_THROW(resize(picture, 4, -1), Error);
  EXPECT_THROW(resize(Picture(), 4, 4), Error);
  EXPECT_THROW(resize(picture, 8, 8, Filter::kBicubic, {1, 0, 8, 8}), Error);
  EXPECT_THROW(resize(picture, 8, 8, Filter::kBicubic, {0, 0, 0, 8}), Error);
  EXPECT_THROW(resize(picture, 8, 8, Filter::kBicubic, {-1, 0, 8, 8}), Error);
  EXPECT_THROW(resize(picture, 8, 8, static_cast<Filter>(6)), Error);
}

}  // namespace
}  // namespace pgmmr
