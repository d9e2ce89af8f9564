#include "image/huffman.h"

#include <algorithm>

namespace pgmmr {

ScanBits ScanBits::refilled(ScanBits bits) {
  while (bits.count_ < kFilled) {
    std::uint64_t byte = 0;
    if (bits.at_ < bits.end_ && *bits.at_ != 0xFF) {
      byte = *bits.at_++;
    } else if (bits.end_ - bits.at_ >= 2 && bits.at_[1] == 0) {
      byte = 0xFF;
      bits.at_ += 2;
    } else {
      bits.missing_ += 8;
    }
    bits.bits_ |= byte << (56 - bits.count_);
    bits.count_ += 8;
  }
  return bits;
}

ScanBits ScanBits::restarted(ScanBits bits, int number) {
  // What is left of the last byte is padding; whole bytes are not.
  if (bits.overran() || bits.count_ - bits.missing_ >= 8) return bits;
  const std::uint8_t* at = bits.at_;
  while (bits.end_ - at >= 2 && at[0] == 0xFF && at[1] == 0xFF) ++at;  // T.81, B.1.1.2
  if (bits.end_ - at < 2 || at[0] != 0xFF || at[1] != 0xD0 + number) return bits;
  return ScanBits({at + 2, bits.end_});
}

HuffmanTable::Symbol HuffmanTable::symbol(std::uint64_t bits) const {
  const auto window = static_cast<std::uint32_t>(bits >> 48);
  for (int length = 1; length <= 16; ++length) {
    const auto at = static_cast<std::size_t>(length);
    if (window >= limits_[at]) continue;
    const int place = firsts_[at] + static_cast<int>(window >> (16 - length));
    return symbol_at(static_cast<std::size_t>(place), length);
  }
  return {};
}

HuffmanTable::Symbol HuffmanTable::symbol_at(std::size_t place, int length) const {
  const int size = symbols_[place] & 15, zeros = symbols_[place] >> 4;
  return {length, size, size == 0 && zeros < 15 ? kEnd : zeros + 1};
}

bool HuffmanTable::build(std::span<const std::uint8_t> counts,
                         std::span<const std::uint8_t> symbols, bool dc) {
  symbols_.fill(0);
  int code = 0, place = 0;
  for (int length = 1; length <= 16; ++length, code *= 2) {
    const auto at = static_cast<std::size_t>(length);
    firsts_[at] = place - code;
    code += counts[at - 1];
    place += counts[at - 1];
    if (code >= 1 << length) return false;
    limits_[at] = static_cast<std::uint32_t>(code) << (16 - length);
  }
  if (static_cast<std::size_t>(place) > std::min(symbols.size(), symbols_.size())) return false;
  for (std::size_t i = 0; i < static_cast<std::size_t>(place); ++i) {
    symbols_[i] = symbols[i];
    if (dc ? symbols[i] > 11 : (symbols[i] & 15) > 10) return false;
  }
  fill_ones(counts);
  for (std::size_t glance = 0; glance < severals_.size(); ++glance) {
    severals_[glance] = dc ? Several() : several_of(glance);  // of means nobody passes over any
  }
  return true;
}

// All glances that begin with a code follow each other, and codes are in the order of their
// symbols.
void HuffmanTable::fill_ones(std::span<const std::uint8_t> counts) {
  auto to = ones_.begin();
  std::size_t place = 0;
  for (int length = 1; length <= kGlance; ++length) {
    for (int i = 0; i < counts[static_cast<std::size_t>(length) - 1]; ++i) {
      const Symbol symbol = symbol_at(place++, length);
      const One one(length, symbol.size, symbol.steps);
      to = std::fill_n(to, std::ptrdiff_t{1} << (kGlance - length), one);
    }
  }
  std::fill(to, ones_.end(), One());
}

HuffmanTable::Several HuffmanTable::several_of(std::size_t glance) const {
  Several several;
  int used = 0, steps = 0;
  while (used < kGlance && steps < kEnd) {
    const One next = ones_[glance << used & (ones_.size() - 1)];
    const int code_bits = static_cast<int>(next.code_bits());
    if (!next || used + code_bits > kGlance) break;
    const bool end = next.steps() == kEnd;
    if (!end && steps + next.steps() >= kEnd / 2) break;  // more than a block has
    used += code_bits + next.size();
    steps += next.steps();
    if (used > kShown) break;
    several = Several(used, steps);
  }
  return several;
}

}  // namespace pgmmr
