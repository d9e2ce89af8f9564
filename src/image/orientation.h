// A camera's note of how it was held.
#pragma once

#include "image/picture.h"

namespace pgmmr {

// The upright picture of samples that were stored with that value of EXIF's tag 0x0112 (EXIF 2.3):
// 2 to 8 are mirrored and turned, of which 5 to 8 exchange the sides; anything else changes
// nothing.
Picture turned(Picture picture, int orientation);

}  // namespace pgmmr
