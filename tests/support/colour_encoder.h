// A second Encoder, for tests: its embedding says which picture it saw, so that a stored vector can
// be checked against the row it lies in.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "clip/encoder.h"

namespace pgmmr::test {

// The colour of picture n of up to 1,000: levels 25 apart, so that directions differ by more than
// half precision's error.
inline std::array<std::uint8_t, 3> colour_of(int n) {
  const auto level = [](int digit) { return static_cast<std::uint8_t>(10 + 25 * (digit % 10)); };
  return {level(n), level(n / 10), level(n / 100)};
}

// What ColourEncoder must give for it, of unit length.
inline std::vector<float> vector_of(int n) {
  const auto colour = colour_of(n);
  std::vector<float> values{static_cast<float>(colour[0]), static_cast<float>(colour[1]),
                            static_cast<float>(colour[2]), 128.0F};
  float length = 0;
  for (const float value : values) length += value * value;
  for (float& value : values) value /= std::sqrt(length);
  return values;
}

// The other way round: which picture a vector is of.
inline int number_of(const std::vector<float>& values) {
  const auto digit = [&](int i) {
    return static_cast<int>(std::lround((values[i] / values[3] * 128.0F - 10) / 25));
  };
  return digit(0) + 10 * digit(1) + 100 * digit(2);
}

inline Picture picture_of(int n, int width = 6, int height = 4) {
  Picture picture(width, height);
  const auto colour = colour_of(n);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = colour[i % 3];
  return picture;
}

// Mean red, green and blue, and 128.
class ColourEncoder : public Encoder {
 public:
  explicit ColourEncoder(const std::string& id = "colour") {
    info_.id = id;
    info_.fingerprint = sha256_hex(id);
    info_.dim = 4;
    info_.image_size = 1;
  }
  const ModelInfo& info() const override { return info_; }

  Matrix encode_pictures(std::span<const Picture> pictures) const override {
    if (delay_us > 0) usleep(static_cast<useconds_t>(delay_us));
    Matrix result(static_cast<int>(pictures.size()), 4);
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      const auto row = result.row(static_cast<int>(i));
      const auto& rgb = pictures[i].rgb;
      for (std::size_t at = 0; at < rgb.size(); ++at) row[at % 3] += rgb[at];
      for (int c = 0; c < 3; ++c) row[c] /= static_cast<float>(rgb.size() / 3);
      row[3] = 128;
      if (refused.contains(number_of({row.begin(), row.end()}))) {
        throw Error(ErrorKind::kCorrupt, "encoding pictures: a result is not finite");
      }
    }
    encoded += static_cast<int>(pictures.size());
    return result;
  }

  // A text is a number: the picture of that number is what it describes best.
  Matrix encode_texts(std::span<const std::string> texts) const override {
    Matrix result(static_cast<int>(texts.size()), 4);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto values = vector_of(std::atoi(texts[i].c_str()));
      std::copy(values.begin(), values.end(), result.row(static_cast<int>(i)).begin());
    }
    return result;
  }

  std::set<int> refused;  // pictures that it fails on
  int delay_us = 0;
  mutable std::atomic<int> encoded = 0;

 private:
  ModelInfo info_;
};

}  // namespace pgmmr::test
