// Whatever a server sends as a listing is read or refused.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "hub/cache.h"
#include "hub/part_file.h"
#include "hub/tree.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pgmmr;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    std::vector<TreeEntry> entries;
    parse_tree_page(text, entries);
    for (const auto& entry : entries) check_file_name(entry.path);
    tree_from_json(tree_to_json(entries));
  } catch (const Error&) {
  }
  try {
    tree_from_json(text);
  } catch (const Error&) {
  }
  next_page(text);
  range_start(text);
  try {
    check_etag(text);
  } catch (const Error&) {
  }
  return 0;
}
