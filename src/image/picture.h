// A decoded picture: 8-bit RGB, rows from the top, no padding, and what of it is transparent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pgmmr {

struct Picture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;    // width * height * 3
  std::vector<std::uint8_t> alpha;  // width * height, 255 is opaque; empty where every pixel is

  // What the file holds, where this is a reduced reading of it (DecodeOptions::enough_edge); else
  // 0.
  int whole_width = 0;
  int whole_height = 0;

  Picture() = default;
  Picture(int w, int h)
      : width(w), height(h), rgb(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * 3) {}
};

}  // namespace pgmmr
