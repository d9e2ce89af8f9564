// Any text, with the tests' small vocabulary: ids lie in the vocabulary, begin and
// end as they must, and a cut text begins like the whole one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "base/file.h"
#include "clip/tokenizer.h"

namespace {

pgmmr::Tokenizer make_tokenizer() {
  const auto file =
      std::filesystem::path(PGMMR_SOURCE_DIR) / "tests/data/tokenizer/tiny/tokenizer.json";
  return pgmmr::Tokenizer::parse(pgmmr::read_file(file), file.string());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const pgmmr::Tokenizer tokenizer = make_tokenizer();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (!pgmmr::is_utf8(text)) return 0;
  const auto ids = tokenizer.encode(text);
  const auto cut = tokenizer.encode(text, 16);
  if (ids.front() != tokenizer.start_token() || ids.back() != tokenizer.end_token()) std::abort();
  for (const auto id : ids) {
    if (id < 0 || id > tokenizer.max_id()) std::abort();
  }
  if (cut.size() != std::min<std::size_t>(ids.size(), 16)) std::abort();
  if (!std::equal(cut.begin(), cut.end() - 1, ids.begin())) std::abort();
  return 0;
}
