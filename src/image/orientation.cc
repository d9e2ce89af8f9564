#include "image/orientation.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace pgmmr {
namespace {

// Where the output's first pixel lies in the source, and how far apart its neighbours do.
struct Walk {
  std::ptrdiff_t corner, step, next_row;  // in pixels
};

Walk walk_of(int orientation, std::ptrdiff_t width, std::ptrdiff_t height) {
  const bool swap = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  // Reading order of the source for an output row: along its row, or along its column if swapped.
  Walk walk{0, swap ? width : 1, swap ? 1 : width};
  if (flip_x) walk.corner += width - 1;
  if (flip_y) walk.corner += (height - 1) * width;
  if (swap ? flip_y : flip_x) walk.step = -walk.step;
  if (swap ? flip_x : flip_y) walk.next_row = -walk.next_row;
  return walk;
}

// In tiles, because a swapped walk through a large picture misses the cache at each pixel.
template <int kBands>
std::vector<std::uint8_t> walked(const std::vector<std::uint8_t>& source, const Walk& walk,
                                 int width, int height) {
  std::vector<std::uint8_t> out(source.size());
  constexpr int kTile = 32;
  for (int y0 = 0; y0 < height; y0 += kTile) {
    for (int x0 = 0; x0 < width; x0 += kTile) {
      for (int y = y0; y < std::min(y0 + kTile, height); ++y) {
        std::uint8_t* to = out.data() + (static_cast<std::ptrdiff_t>(y) * width + x0) * kBands;
        const std::uint8_t* from =
            source.data() + (walk.corner + y * walk.next_row + x0 * walk.step) * kBands;
        const int end = std::min(x0 + kTile, width);
        for (int x = x0; x < end; ++x, to += kBands, from += walk.step * kBands) {
          for (int band = 0; band < kBands; ++band) to[band] = from[band];
        }
      }
    }
  }
  return out;
}

}  // namespace

Picture turned(Picture picture, int orientation) {
  if (orientation < 2 || orientation > 8) return picture;
  const Walk walk = walk_of(orientation, picture.width, picture.height);
  if (orientation >= 5) {
    std::swap(picture.width, picture.height);
    std::swap(picture.whole_width, picture.whole_height);
  }
  picture.rgb = walked<3>(picture.rgb, walk, picture.width, picture.height);
  if (!picture.alpha.empty()) {
    picture.alpha = walked<1>(picture.alpha, walk, picture.width, picture.height);
  }
  return picture;
}

}  // namespace pgmmr
