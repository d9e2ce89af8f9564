// A transparent picture as people see it on a page.
#pragma once

#include "image/picture.h"

namespace pgmmr {

// The picture on white: (alpha * colour + (255 - alpha) * 255) / 255, rounded, as Pillow's
// Image.alpha_composite over a white picture gives it. An opaque picture comes back as it is.
Picture flatten(Picture picture);

}  // namespace pgmmr
