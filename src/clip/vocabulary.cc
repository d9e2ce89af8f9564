#include "clip/vocabulary.h"

#include <fmt/format.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <functional>

#include "base/error.h"

namespace pgmmr {
namespace {

// GPT-2's byte table (bytes_to_unicode in its encoder.py): printable Latin-1 stands for itself, the
// other 68 bytes for U+0100 and on.
std::array<std::string, 256> byte_spellings() {
  std::array<std::string, 256> spellings;
  int replaced = 0;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    const int letter = printable ? byte : 0x100 + replaced++;
    std::array<char, U8_MAX_LENGTH> utf8{};
    std::size_t size = 0;
    U8_APPEND_UNSAFE(utf8.data(), size, letter);
    spellings[byte].assign(utf8.data(), size);
  }
  return spellings;
}

std::uint32_t hash_of(std::string_view token) {
  const std::size_t hash = std::hash<std::string_view>()(token);
  return static_cast<std::uint32_t>(hash ^ hash >> 32);
}

}  // namespace

std::size_t Vocabulary::slot_of(std::string_view token, std::uint32_t hash) const {
  std::size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot].token != 0 &&
         (slots_[slot].hash != hash || text(tokens_[slots_[slot].token - 1]) != token)) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

void Vocabulary::grow() {
  const std::vector<Slot> old = std::exchange(slots_, {});
  slots_.resize(std::max<std::size_t>(1024, old.size() * 4));
  for (const Slot& slot : old) {
    if (slot.token == 0) continue;
    slots_[slot_of(text(tokens_[slot.token - 1]), slot.hash)] = slot;
  }
}

void Vocabulary::add(std::string_view token, std::int64_t id) {
  if (id < 0 || id > kMaxId) {
    throw Error(ErrorKind::kCorrupt, fmt::format("{}: token \"{}\" has id {}, expected 0 to {}",
                                                 file_name_, token, id, kMaxId));
  }
  if (tokens_.size() * 2 >= slots_.size()) grow();
  const std::uint32_t hash = hash_of(token);
  Slot& slot = slots_[slot_of(token, hash)];
  if (slot.token != 0) {
    throw Error(ErrorKind::kCorrupt,
                fmt::format("{}: token \"{}\" comes twice", file_name_, token));
  }
  const auto narrow = static_cast<std::int32_t>(id);
  if (narrow > max_id_) {
    max_id_ = narrow;
    if (taken_.size() <= static_cast<std::size_t>(id)) taken_.resize(id * 2 + 1);
  }
  if (taken_[id]) report_shared(token, narrow);
  taken_[id] = true;
  tokens_.push_back({texts_.size(), token.size(), narrow});
  texts_ += token;
  slot = {hash, static_cast<std::uint32_t>(tokens_.size())};
}

std::optional<std::int32_t> Vocabulary::find(std::string_view token) const {
  if (slots_.empty()) return std::nullopt;
  const Slot& slot = slots_[slot_of(token, hash_of(token))];
  if (slot.token == 0) return std::nullopt;
  return tokens_[slot.token - 1].id;
}

BytePairs::Symbols Vocabulary::byte_symbols() const {
  const auto spellings = byte_spellings();
  BytePairs::Symbols symbols{};
  for (int byte = 0; byte < 256; ++byte) {
    const auto id_of = [&](const std::string& token) {
      const auto id = find(token);
      if (id) return *id;
      throw Error(ErrorKind::kCorrupt, fmt::format("{}: token \"{}\" for byte 0x{:02X} is missing",
                                                   file_name_, token, byte));
    };
    symbols.inner[byte] = id_of(spellings[byte]);
    symbols.last[byte] = id_of(spellings[byte] + "</w>");
  }
  return symbols;
}

void Vocabulary::report_missing(const std::string& where, std::string_view token) const {
  throw Error(ErrorKind::kCorrupt,
              fmt::format("{}: {} \"{}\" is not in {}", where,
                          token == joined_ ? "result" : "symbol", token, file_name_));
}

void Vocabulary::report_shared(std::string_view token, std::int32_t id) const {
  const auto owner = std::find_if(tokens_.begin(), tokens_.end(),
                                  [&](const Token& other) { return other.id == id; });
  throw Error(ErrorKind::kCorrupt, fmt::format("{}: tokens \"{}\" and \"{}\" share id {}",
                                               file_name_, text(*owner), token, id));
}

}  // namespace pgmmr
