// One piece of text to token ids: its bytes, merged pair by pair.
//
// Byte-pair encoding as in Sennrich et al., "Neural Machine Translation of Rare Words with Subword
// Units" (2016), over bytes, with the last symbol of a piece marked as in CLIP. The order of merges
// is that of the Rust library `tokenizers`: lowest rank first, leftmost first among equals. A heap
// of candidates keeps a piece of n bytes at O(n log n); the plain loop over all pairs is in the
// test.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace pgmmr {

class BytePairs {
 public:
  struct Symbols {
    std::array<std::int32_t, 256> inner;  // the id of each byte inside a piece
    std::array<std::int32_t, 256> last;   // and at its end
  };
  struct Merge {
    std::int32_t left, right, result;
  };

  // The rank of a merge is its place in the list; where a pair comes twice the later place counts.
  BytePairs(const Symbols& symbols, const std::vector<Merge>& merges);

  const Symbols& symbols() const { return symbols_; }
  // What it can be made from again: the merges by rank.
  std::vector<Merge> merges() const;

  // Appends the ids of one piece to ids; nothing for an empty piece.
  void append(std::string_view piece, std::vector<std::int32_t>& ids) const;

 private:
  struct Target {
    std::int32_t left, right;  // left is -1 in an empty slot
    std::int32_t rank, result;
  };
  std::size_t slot_of(std::int32_t left, std::int32_t right) const;

  Symbols symbols_;
  std::vector<Target> targets_;  // open addressing, a power of two, at most half full
};

}  // namespace pgmmr
