// Windows and OS/2 bitmaps to RGB: libvips reads them only through ImageMagick, which is not fit
// for files from anywhere.
//
// Follows Microsoft's BITMAPINFOHEADER family and, where it is silent, Pillow's BmpImagePlugin: 1,
// 4, 8, 16, 24, 32 bits, RLE4, RLE8, bit fields, either row order. Proven against Pillow's decoded
// digests. Left out: JPEG and PNG inside BMP, colour profiles.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "image/picture.h"

namespace pgmmr {

//   throws  Error{kCorrupt, kUnsupported, kInvalidArgument}, the message begins with name
Picture decode_bmp(std::string_view bytes, const std::string& name, std::int64_t max_pixels);

}  // namespace pgmmr
