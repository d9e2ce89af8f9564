// Any bytes as tokenizer.json; or, split at the first zero byte, as vocab.json and merges.txt. They
// are refused with an Error, or give tables.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "clip/tokenizer_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t middle = bytes.find('\0');
  try {
    if (middle == bytes.npos) {
      pgmmr::parse_tokenizer_json(bytes, "tokenizer.json");
    } else {
      pgmmr::parse_vocabulary(bytes.substr(0, middle), "vocab.json", bytes.substr(middle + 1),
                              "merges.txt");
    }
  } catch (const pgmmr::Error&) {
  }
  return 0;
}
