// Any bytes: no crash, and the words are UTF-8.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/file.h"
#include "text/words.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  pgmmr::needs_segmentation(text);
  const std::string words = pgmmr::icu_words(text);
  if (!pgmmr::is_utf8(words)) std::abort();
  return 0;
}
