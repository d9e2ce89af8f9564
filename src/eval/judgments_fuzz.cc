// Any bytes as a file of judged queries: read, or refused with an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "eval/judgments.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    for (const auto& judgment : pgmmr::parse_judgments(text, "queries.jsonl")) {
      if (judgment.relevant.empty() || judgment.line < 1) std::abort();
    }
  } catch (const pgmmr::Error&) {
  }
  return 0;
}
