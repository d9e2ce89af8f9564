// Any bytes as a JPEG at an eighth and at a quarter of its size: a picture or an Error that names
// it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "image/jpeg.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const int enough_edge : {1, 10}) {  // 10: pictures of 37 to 72 pixels at a quarter
    try {
      const pgmmr::Picture picture =
          pgmmr::decode_jpeg(bytes, "fuzzed", 1 << 16, enough_edge).picture;
      if (picture.rgb.size() != std::size_t{3} * static_cast<std::size_t>(picture.width) *
                                    static_cast<std::size_t>(picture.height)) {
        std::abort();
      }
    } catch (const pgmmr::Error& error) {
      if (std::string_view(error.what()).find("fuzzed") != 0) std::abort();
    }
  }
  return 0;
}
