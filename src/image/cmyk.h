// Ink to light, as Pillow does it.
#pragma once

#include <cstdint>

namespace pgmmr {

// One pixel, 255 is full ink: Pillow's cmyk2rgb (Convert.c), its MULDIV255 written out.
inline void cmyk_to_rgb(const std::uint8_t* inks, std::uint8_t* rgb) {
  const int paper = 255 - inks[3];
  for (int i = 0; i < 3; ++i) {
    const int t = inks[i] * paper + 128;
    rgb[i] = static_cast<std::uint8_t>(paper - (((t >> 8) + t) >> 8));
  }
}

}  // namespace pgmmr
