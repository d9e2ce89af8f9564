// Pixels to files: JPEG thumbnails for the database, PNG for sheets.
#pragma once

#include <string>

#include "image/picture.h"

namespace pgmmr {

inline constexpr int kThumbnailSide = 320;

// A JPEG whose longer edge is at most max_side pixels (never enlarged), what is transparent on
// white.
std::string encode_thumbnail(const Picture& picture, int max_side = kThumbnailSide,
                             int quality = 82);

std::string encode_png(const Picture& picture);

}  // namespace pgmmr
