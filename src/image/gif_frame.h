// The first frame of a GIF, taken out of the file as a GIF of its own.
//
// libvips composes frames onto a transparent canvas, so the colour under a transparent pixel is
// lost, which Pillow's convert("RGB") shows; and it reads a whole animation for its first frame. So
// the blocks of the file (GIF89a specification, W3C) are walked here, and the decompression is left
// to libvips: with a canvas as large as the frame, no transparency and always 256 colours, it gives
// every pixel's own colour.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgmmr {

struct GifFrame {
  int canvas_width = 0, canvas_height = 0;  // enlarged where the frame reaches over it, as Pillow
  int left = 0, top = 0, width = 0, height = 0;
  std::array<std::uint8_t, 3> background{};  // of the canvas outside the frame
  std::string file;                          // a GIF of width x height with this frame alone
  std::string mask;  // the same in black where the frame is transparent, else white; empty where no
                     // pixel can be
};

//   throws  Error{kCorrupt} where the file ends early or holds no frame, kInvalidArgument above
//   max_pixels; the message begins with name
GifFrame first_gif_frame(std::string_view bytes, const std::string& name, std::int64_t max_pixels);

}  // namespace pgmmr
