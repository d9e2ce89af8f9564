// A picture for the tests of reduced JPEGs.
#pragma once

#include <cmath>
#include <cstdint>

#include "image/picture.h"

namespace pgmmr {

// Slow waves of different lengths: every reduction should show them, and none is symmetric.
inline Picture waves(int width, int height) {
  Picture picture(width, height);
  std::uint8_t* to = picture.rgb.data();
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x, to += 3) {
      to[0] = static_cast<std::uint8_t>(128 + 100 * std::sin(x * 0.031 + y * 0.017));
      to[1] = static_cast<std::uint8_t>(128 + 100 * std::sin(x * 0.011 - y * 0.023));
      to[2] = static_cast<std::uint8_t>(255 * x / width);
    }
  }
  return picture;
}

}  // namespace pgmmr
