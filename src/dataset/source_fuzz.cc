// Chunk payloads, hub addresses, JSON and names from outside: whatever comes, an answer or an
// Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "dataset/chunk_payload.h"
#include "dataset/clean_text.h"
#include "dataset/folder_walk.h"
#include "dataset/hub_address.h"

namespace {

void require(bool held) {
  if (!held) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    for (const auto& file : pgmmr::parse_folder_payload(text).files) {
      require(pgmmr::stays_below(file.key));
    }
  } catch (const pgmmr::Error&) {
  }
  try {
    const auto payload = pgmmr::parse_range_payload(text);
    require(payload.first >= 0 && payload.rows >= 0);
    require(payload.parts == 0 || payload.part < payload.parts);
  } catch (const pgmmr::Error&) {
  }
  try {
    const auto address = pgmmr::parse_hub_address(text);
    require(pgmmr::to_string(pgmmr::parse_hub_address(pgmmr::to_string(address))) ==
            pgmmr::to_string(address));
  } catch (const pgmmr::Error&) {
  }
  const std::string clean = pgmmr::clean_text(text);
  require(pgmmr::is_utf8(clean) && pgmmr::clean_text(clean) == clean);
  if (const auto json = pgmmr::clean_json(text)) require(pgmmr::clean_json(*json) == json);
  require(pgmmr::path_of_key(pgmmr::key_of_path(text)) == text);
  require(pgmmr::is_utf8(pgmmr::key_of_path(text)));
  require(pgmmr::is_utf8(pgmmr::words_of_name(text)));
  return 0;
}
