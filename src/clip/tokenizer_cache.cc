#include "clip/tokenizer_cache.h"

#include <cstring>
#include <system_error>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/settings.h"

namespace pgmmr {
namespace {

constexpr std::string_view kMagic = "pgmmr tokenizer 1\n";
constexpr std::size_t kDigestBytes = 64;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

template <typename T>
void put(const T& value, std::string& bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Takes values from the front; whoever asks for more than there is gets zeros and good() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  T get() {
    T value{};
    const std::string_view from = take(sizeof value);
    if (good_) std::memcpy(&value, from.data(), sizeof value);
    return value;
  }
  std::string_view take(std::size_t size) {
    if (size > bytes_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  std::size_t left() const { return bytes_.size(); }
  bool good() const { return good_; }

 private:
  std::string_view bytes_;
  bool good_ = true;
};

}  // namespace

std::string pack_tokenizer(const TokenizerFile& tokenizer) {
  std::string bytes(kMagic);
  put(tokenizer.start_token, bytes);
  put(tokenizer.end_token, bytes);
  put(tokenizer.max_id, bytes);
  put(std::uint8_t{tokenizer.pieces_with_special_tokens}, bytes);
  put(static_cast<std::uint32_t>(tokenizer.added_tokens.size()), bytes);
  for (const AddedToken& token : tokenizer.added_tokens) {
    put(token.id, bytes);
    put(std::uint8_t{token.normalized}, bytes);
    put(static_cast<std::uint32_t>(token.content.size()), bytes);
    bytes += token.content;
  }
  put(tokenizer.byte_pairs.symbols(), bytes);
  const auto merges = tokenizer.byte_pairs.merges();
  put(static_cast<std::uint32_t>(merges.size()), bytes);
  for (const BytePairs::Merge& merge : merges) put(merge, bytes);
  return bytes + sha256_hex(bytes);
}

std::optional<TokenizerFile> unpack_tokenizer(std::string_view bytes) {
  if (bytes.size() < kDigestBytes) return std::nullopt;
  const std::string_view digest = bytes.substr(bytes.size() - kDigestBytes);
  bytes.remove_suffix(kDigestBytes);
  if (!bytes.starts_with(kMagic) || sha256_hex(bytes) != digest) return std::nullopt;
  Reader reader(bytes.substr(kMagic.size()));
  const auto start = reader.get<std::int32_t>(), end = reader.get<std::int32_t>();
  const auto max_id = reader.get<std::int32_t>();
  const bool special = reader.get<std::uint8_t>() != 0;
  std::vector<AddedToken> added;
  for (auto left = reader.get<std::uint32_t>(); left > 0 && reader.good(); --left) {
    AddedToken token;
    token.id = reader.get<std::int32_t>();
    token.normalized = reader.get<std::uint8_t>() != 0;
    token.content = reader.take(reader.get<std::uint32_t>());
    added.push_back(std::move(token));
  }
  const auto symbols = reader.get<BytePairs::Symbols>();
  const std::size_t count = reader.get<std::uint32_t>();
  if (!reader.good() || reader.left() != count * sizeof(BytePairs::Merge)) return std::nullopt;
  std::vector<BytePairs::Merge> merges(count);
  if (count > 0)
    std::memcpy(merges.data(), reader.take(reader.left()).data(), count * sizeof merges[0]);
  return TokenizerFile{BytePairs(symbols, merges), std::move(added), special, start, end, max_id};
}

TokenizerFile cached_tokenizer(const std::string& digest,
                               const std::function<TokenizerFile()>& parse) {
  std::filesystem::path file;
  try {
    file = data_dir() / "tokenizers" / digest;
    if (auto kept = unpack_tokenizer(read_file(file, kMaxBytes))) return std::move(*kept);
  } catch (const Error&) {
    // Nothing kept, or nowhere to keep it.
  }
  TokenizerFile parsed = parse();
  try {
    if (!file.empty()) {
      std::error_code code;
      std::filesystem::create_directories(file.parent_path(), code);
      write_file(file, pack_tokenizer(parsed));
    }
  } catch (const Error&) {
    // A read-only data folder costs time, not the answer.
  }
  return parsed;
}

}  // namespace pgmmr
