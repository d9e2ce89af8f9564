// Any bytes as a kept tokenizer, with a digest that fits: tables, or nothing.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "clip/tokenizer_cache.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  pgmmr::unpack_tokenizer(bytes);
  if (const auto tokenizer = pgmmr::unpack_tokenizer(bytes + pgmmr::sha256_hex(bytes))) {
    std::vector<std::int32_t> ids;
    tokenizer->byte_pairs.append("abc", ids);
  }
  return 0;
}
