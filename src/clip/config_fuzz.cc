// Any bytes: a configuration whose numbers can be multiplied, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "clip/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto config =
        pgmmr::parse_config({reinterpret_cast<const char*>(data), size}, "config.json");
    for (const pgmmr::TowerConfig* tower :
         {static_cast<const pgmmr::TowerConfig*>(&config.text),
          static_cast<const pgmmr::TowerConfig*>(&config.vision)}) {
      if (tower->hidden_size < 1 || tower->num_attention_heads < 1 ||
          tower->num_hidden_layers < 1 || tower->hidden_size % tower->num_attention_heads != 0) {
        std::abort();
      }
    }
    if (config.vision.image_size / config.vision.patch_size < 1) std::abort();
  } catch (const pgmmr::Error&) {
  }
  return 0;
}
