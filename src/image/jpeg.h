// JPEG to RGB: in full as Pillow decodes it, or at a half, a quarter or an eighth of its size,
// which skips most of the inverse DCT (Annex A.3.3 of T.81, on the low frequencies). With
// libjpeg-turbo, but for a usual photograph at a quarter or an eighth (image/reduced_jpeg.h).
//
// Not through libvips, which gives the same bytes and takes 1.7 times as long for them: it decodes
// on a thread of its own into a picture of its own, which is then copied. Proven against Pillow's
// decoded digests, where in full, and against the mean of the blocks that a reduced pixel stands
// for. Left out: lossless and 12-bit JPEG, which libjpeg-turbo's usual build doesn't read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "image/picture.h"

namespace pgmmr {

struct JpegPicture {
  Picture picture;      // samples as stored: not turned; whole_* set where reduced
  int orientation = 1;  // 1 to 8, EXIF 2.3's tag 0x0112; 1 where there is none that makes sense
};

//   enough_edge  0: in full; else as small as it may be with its shorter edge still that long
//   throws       Error{kCorrupt} for damaged or truncated data, kUnsupported for one that holds
//                neither gray, colour nor CMYK, kInvalidArgument above max_pixels; the message
//                begins with name
//   threads      safe to call at once
JpegPicture decode_jpeg(std::string_view bytes, const std::string& name, std::int64_t max_pixels,
                        int enough_edge);

// The orientation in an EXIF segment's payload ("Exif\0\0" and a TIFF header): 1 where it holds
// none that makes sense.
int exif_orientation(std::string_view segment);

}  // namespace pgmmr
