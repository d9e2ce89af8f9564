// Any bytes: tensors that lie within them, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "nn/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    for (const auto& [name, tensor] : pgmmr::parse_safetensors(bytes, "fuzz")) {
      if (tensor.bytes.data() < bytes.data() ||
          tensor.bytes.data() + tensor.bytes.size() > bytes.data() + bytes.size()) {
        std::abort();
      }
      if (!tensor.is_floating()) continue;
      std::vector<float> values(tensor.count());
      copy_floats(tensor, 0, values.size(), values.data());
    }
  } catch (const pgmmr::Error&) {
  }
  return 0;
}
