// A vocabulary's tokens and their ids, as vocab.json and tokenizer.json list them, and what follows
// from them: the 512 byte symbols and the merges.
//
// A hash table of its own over one string of all tokens: every command that embeds a text loads
// 49,408 tokens and looks up three for each of 48,894 merges, and std::unordered_map made that
// 2.5 times as long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "clip/byte_pairs.h"

namespace pgmmr {

class Vocabulary {
 public:
  // Bounds the memory that a wrong id can take; no vocabulary has so many.
  static constexpr std::int32_t kMaxId = (1 << 24) - 1;

  // Messages name the file.
  explicit Vocabulary(std::string file_name) : file_name_(std::move(file_name)) {}

  //   throws  Error{kCorrupt} for a token or an id that is there already, or an id outside 0 ..
  //   kMaxId
  void add(std::string_view token, std::int64_t id);

  std::optional<std::int32_t> find(std::string_view token) const;
  std::int32_t max_id() const { return max_id_; }

  // Ids of the 256 bytes, inside a piece and at its end (with </w>), spelled with GPT-2's table.
  //   throws  Error{kCorrupt} naming a byte that is missing: it would have to become "unknown"
  BytePairs::Symbols byte_symbols() const;

  // The merge of two symbols, which must be tokens, and so must what they make together.
  //   throws  Error{kCorrupt} naming the one that isn't; `where` is called for the message's begin
  template <typename Where>
  BytePairs::Merge merge(std::string_view left, std::string_view right, Where where) {
    joined_.assign(left).append(right);
    const auto left_id = find(left), right_id = find(right), result = find(joined_);
    if (left_id && right_id && result) return {*left_id, *right_id, *result};
    report_missing(where(), !left_id ? left : !right_id ? right : joined_);
  }

 private:
  struct Token {
    std::size_t begin, size;  // in texts_
    std::int32_t id;
  };
  struct Slot {
    std::uint32_t hash;
    std::uint32_t token;  // its place in tokens_ + 1; 0 is an empty slot
  };
  std::string_view text(const Token& token) const {
    return std::string_view(texts_).substr(token.begin, token.size);
  }
  std::size_t slot_of(std::string_view token, std::uint32_t hash) const;
  void grow();
  [[noreturn]] void report_missing(const std::string& where, std::string_view token) const;
  [[noreturn]] void report_shared(std::string_view token, std::int32_t id) const;

  std::string file_name_;
  std::string texts_;
  std::string joined_;  // scratch of merge()
  std::vector<Token> tokens_;
  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
  std::vector<bool> taken_;  // by id
  std::int32_t max_id_ = -1;
};

}  // namespace pgmmr
