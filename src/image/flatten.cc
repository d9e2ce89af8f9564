#include "image/flatten.h"

namespace pgmmr {

Picture flatten(Picture picture) {
  for (std::size_t i = 0; i < picture.alpha.size(); ++i) {
    const unsigned alpha = picture.alpha[i];
    for (std::size_t band = 0; band < 3; ++band) {
      std::uint8_t& sample = picture.rgb[i * 3 + band];
      sample = static_cast<std::uint8_t>((alpha * sample + (255 - alpha) * 255 + 127) / 255);
    }
  }
  picture.alpha = {};
  return picture;
}

}  // namespace pgmmr
