// Any bytes: a picture or an Error that names it, with the memory that the header's size allows.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "image/decode.h"
#include "image/resize.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  pgmmr::media_type(bytes);
  pgmmr::DecodeOptions options;
  options.max_pixels = 1 << 20;
  try {
    const pgmmr::Picture picture = pgmmr::decode_picture(bytes, "fuzzed", options);
    if (picture.rgb.size() != std::size_t{3} * static_cast<std::size_t>(picture.width) *
                                  static_cast<std::size_t>(picture.height)) {
      std::abort();
    }
    pgmmr::resize(picture, 24, 17);
    options.enough_edge = 8;
    pgmmr::decode_picture(bytes, "fuzzed", options);
  } catch (const pgmmr::Error& error) {
    if (std::string_view(error.what()).find("fuzzed") != 0) std::abort();
  }
  return 0;
}
