// JPEG's Huffman codes (ITU-T T.81, Annexes C and F), read for what is wanted of them: a symbol
// with the number behind it, or as many symbols as a glance shows when nobody wants the numbers.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/clones.h"

namespace pgmmr {

// The bits of a scan, most significant first, without the zero bytes behind 0xFF. Before a marker,
// and at the end, it goes on with zeros, and remembers.
class ScanBits {
 public:
  static constexpr int kFilled = 56;  // after refill, at least

  explicit ScanBits(std::span<const std::uint8_t> bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  PGMMR_INLINE void refill() {
    if (end_ - at_ >= 8) {
      std::uint64_t next;
      std::memcpy(&next, at_, 8);
      if constexpr (std::endian::native == std::endian::little) next = __builtin_bswap64(next);
      const std::uint64_t inverse = ~next;
      if (((inverse - 0x0101010101010101) & next & 0x8080808080808080) == 0) {  // none is 0xFF
        bits_ |= next >> count_;
        at_ += (63 - count_) >> 3;
        count_ |= kFilled;
        return;
      }
    }
    *this = refilled(*this);
  }

  std::uint64_t bits() const { return bits_; }  // the next one highest
  int count() const { return count_; }
  PGMMR_INLINE void drop(unsigned count) {
    bits_ <<= count;
    count_ -= static_cast<int>(count);
  }

  // Zeros have been taken that are not in the file.
  bool overran() const { return count_ < missing_; }

  // After a refill: more bytes follow, if only a marker.
  bool goes_on() const { return end_ - at_ >= 2; }

  // Goes on behind the restart marker of that number, 0 to 7.
  //   returns  false where it does not follow
  PGMMR_INLINE bool restart(int number) {
    const ScanBits after = restarted(*this, number);
    if (after.at_ == at_) return false;
    *this = after;
    return true;
  }

 private:
  // By value: an object that someone else knows the place of is not kept in registers.
  static ScanBits refilled(ScanBits bits);               // a byte at a time
  static ScanBits restarted(ScanBits bits, int number);  // or as it was

  std::uint64_t bits_ = 0;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  int count_ = 0;
  int missing_ = 0;  // zeros among them
};

// One table.
class HuffmanTable {
 public:
  static constexpr int kGlance = 11;   // bits
  static constexpr int kLongest = 27;  // bits that a symbol with its number may take
  static constexpr int kShown = 18;    // bits that several may
  static constexpr int kEnd = 128;     // steps, of an end of block

  // The symbol that a glance begins with; empty where its code takes more bits or is none. Its
  // number may reach beyond the glance.
  class One {
   public:
    One() = default;
    One(int code_bits, int size, int steps)
        : entry_(static_cast<unsigned>((code_bits + size) | code_bits << 8 | size << 16 |
                                       steps << 24)) {}
    explicit operator bool() const { return entry_ != 0; }
    unsigned bits() const { return entry_ & 0xFF; }  // with the number's
    unsigned code_bits() const { return entry_ >> 8 & 0xFF; }
    int size() const { return static_cast<int>(entry_ >> 16 & 0xFF); }
    // Frequencies that it goes on by: the zeros before its number and that itself; or kEnd.
    int steps() const { return static_cast<int>(entry_ >> 24); }

   private:
    std::uint32_t entry_ = 0;
  };

  // The symbols whose codes a glance shows: up to an end of block, to kShown bits and to the steps
  // of a block; empty where that is none. What the numbers are nobody asks, so that the last one
  // may reach beyond the glance.
  class Several {
   public:
    Several() = default;
    Several(int bits, int steps) : entry_(static_cast<std::uint16_t>(bits | steps << 8)) {}
    explicit operator bool() const { return entry_ != 0; }
    unsigned bits() const { return entry_ & 63U; }
    int steps() const { return static_cast<int>(entry_ >> 8); }  // kEnd more with an end of block

   private:
    std::uint16_t entry_ = 0;
  };

  //   counts   [16], of the codes of 1 to 16 bits
  //   symbols  in the order of their codes: a number's size, and in the upper half, but for dc, the
  //            zeros before it
  //   returns  false where the codes do not fit, or one is of ones alone, or a size is none of
  //   8-bit
  //            samples
  bool build(std::span<const std::uint8_t> counts, std::span<const std::uint8_t> symbols, bool dc);

  One one(std::uint64_t bits) const { return ones_[bits >> (64 - kGlance)]; }
  Several several(std::uint64_t bits) const { return severals_[bits >> (64 - kGlance)]; }

  // A symbol of any length.
  struct Symbol {
    int bits = 0;  // 0 for no code
    int size = 0;
    int steps = 0;
  };
  Symbol symbol(std::uint64_t bits) const;

 private:
  Symbol symbol_at(std::size_t place, int length) const;
  void fill_ones(std::span<const std::uint8_t> counts);
  Several several_of(std::size_t glance) const;

  std::array<One, std::size_t{1} << kGlance> ones_;
  std::array<Several, std::size_t{1} << kGlance> severals_;
  // Of each length: what 16 bits are below, and where the symbol of the first code would be.
  std::array<std::uint32_t, 17> limits_;
  std::array<int, 17> firsts_;
  std::array<std::uint8_t, 256> symbols_;
};

// The number of `size` bits, 0 to 15, that the highest ones are (T.81, F.2.2.1, EXTEND).
inline int number_of(std::uint64_t bits, int size) {
  const auto value = static_cast<int>(bits >> 1 >> (63 - size));
  const int is_negative = static_cast<int>(~bits >> 63);  // no branch: nobody could foresee it
  return value - (-is_negative & ((1 << size) - 1));
}

}  // namespace pgmmr
