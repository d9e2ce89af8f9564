// Encoded bytes (JPEG, PNG, WebP, GIF, BMP, TIFF) to 8-bit RGB, as Pillow's
// Image.open(...).convert("RGB") gives it.
//
// The content decides the format, never a name. Alpha and palette transparency leave the colours as
// they are stored and are kept apart (Picture::alpha; flatten() gives what people see), ICC and
// gAMA ignored, of an animation the first frame is taken, 16-bit gray is clipped to 255 as
// Pillow 9.4 does. Proven against the decoded digests of the conformance kit. A JPEG may be asked
// for at a fraction of its size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "image/picture.h"

namespace pgmmr {

// Of a file or a stored picture that is read to be decoded.
constexpr std::size_t kMaxPictureBytes = 256'000'000;

enum class Orientation {
  kApply,   // turn the picture as its EXIF tag says: what people see (transformers' load_image)
  kIgnore,  // the samples as stored (transformers' CLIPImageProcessor alone)
};

struct DecodeOptions {
  Orientation orientation = Orientation::kApply;
  std::int64_t max_pixels = 178'956'970;  // Pillow's limit against decompression bombs

  // 0 decodes in full. Else a JPEG is decoded at a half, a quarter or an eighth of its size where
  // its shorter edge keeps at least this many pixels: a phone's photo in a third of the time.
  // Such a picture says what it measured in whole_width and whole_height.
  int enough_edge = 0;
};

// name is for messages only (a path, a key).
//   throws   Error{kCorrupt} for damaged or truncated data, kUnsupported for a format that is
//   recognised but not read
//            (HEIC, AVIF, SVG, HTML ...), kInvalidArgument for a picture above max_pixels; the
//            message names the picture
//   threads  safe to call at once; one call uses one thread
//   memory   bounded by max_pixels * 8 bytes (a progressive JPEG keeps its coefficients), and
//   refused
//            before it is allocated
Picture decode_picture(std::string_view bytes, const std::string& name,
                       const DecodeOptions& options = {});

// "image/jpeg", "image/png" ... by content; "application/octet-stream" where unknown.
std::string media_type(std::string_view bytes);

// True where the file's extension is one that decode_picture may read (.jpg .jpeg .png .webp .gif
// .bmp .tif .tiff, any letter case): how a folder is scanned.
bool has_picture_extension(std::string_view path);

}  // namespace pgmmr
