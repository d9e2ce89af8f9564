// Any bytes as preprocessor_config.json: a processor that works, or an Error that names the file.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "clip/image_processor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto processor = pgmmr::ImageProcessor::parse(text, "fuzzed.json", 0);
    if (processor.width() > 512 || processor.height() > 512) return 0;  // valid, only slow
    pgmmr::Picture picture(5, 3);
    std::vector<float> pixels(3 * static_cast<std::size_t>(processor.width()) *
                              static_cast<std::size_t>(processor.height()));
    processor.process(picture, pixels);
    for (const float value : pixels) {
      if (!std::isfinite(value)) std::abort();
    }
  } catch (const pgmmr::Error& error) {
    if (std::string_view(error.what()).find("fuzzed.json") != 0) std::abort();
  }
  return 0;
}
