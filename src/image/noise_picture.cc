#include "image/noise_picture.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "image/resize.h"

namespace pgmmr {

Picture noise_picture(int width, int height) {
  std::mt19937 random(1);
  std::vector<int> sums(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  int octaves = 0;
  for (int cells = 4; cells < std::min(width, height); cells *= 2, ++octaves) {
    Picture grain(cells, std::max(1, cells * height / width));
    for (auto& level : grain.rgb) level = static_cast<std::uint8_t>(random() >> 24);
    const Picture smooth = resize(grain, width, height);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += smooth.rgb[i] - 128;
  }
  // Octaves are independent: their sum grows with the root of their number.
  const double scale = 0.8 / std::sqrt(std::max(1, octaves));
  Picture picture(width, height);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    picture.rgb[i] = static_cast<std::uint8_t>(std::clamp(128 + scale * sums[i], 0.0, 255.0));
  }
  return picture;
}

}  // namespace pgmmr
