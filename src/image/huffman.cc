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
    const int symbol = symbols_[static_cast<std::size_t>(place)];
    const int size = symbol & 15, zeros = symbol >> 4;
    return {length, size, size == 0 && zeros < 15 ? kEnd : zeros + 1};
  }
  return {};
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
  for (std::size_t glance = 0; glance < ones_.size(); ++glance) fill(glance, dc);
  return true;
}

void HuffmanTable::fill(std::size_t glance, bool dc) {
  const std::uint64_t bits = std::uint64_t{glance} << (64 - kGlance);
  One& one = ones_[glance] = {};
  Several& several = severals_[glance] = {};
  int used = 0, steps = 0;
  while (used < kGlance && steps < kEnd) {
    const Symbol next = symbol(bits << used);
    if (next.bits == 0 || used + next.bits > kGlance) return;
    const bool end = next.steps == kEnd;
    if (!end && steps + next.steps >= kEnd / 2) return;  // more than a block has
    used += next.bits + next.size;
    if (steps == 0) one = One(next.bits, next.size, next.steps);
    steps += next.steps;
    if (dc || used > kShown) return;
    several = Several(used, steps);
  }
}

}  // namespace pgmmr
