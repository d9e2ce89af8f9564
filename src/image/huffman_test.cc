#include "image/huffman.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

namespace pgmmr {
namespace {

using Bytes = std::vector<std::uint8_t>;

// A bit after the other.
std::vector<int> bits_of(ScanBits bits, int count) {
  std::vector<int> all;
  for (int i = 0; i < count; ++i) {
    bits.refill();
    bits.refill();  // no matter how often
    all.push_back(static_cast<int>(bits.bits() >> 63));
    bits.drop(1);
  }
  return all;
}

TEST(ScanBits, LeavesOutTheZerosBehind0xFF) {
  std::mt19937 random(3);
  for (int length = 0; length < 40; ++length) {
    Bytes plain, stuffed;
    for (int i = 0; i < length; ++i) {
      const auto byte = static_cast<std::uint8_t>(random() % 3 == 0 ? 0xFF : random());
      plain.push_back(byte);
      stuffed.push_back(byte);
      if (byte == 0xFF) stuffed.push_back(0);
    }
    std::vector<int> expected;
    for (const int byte : plain) {
      for (int bit = 7; bit >= 0; --bit) expected.push_back(byte >> bit & 1);
    }
    EXPECT_EQ(bits_of(ScanBits(stuffed), 8 * length), expected);
  }
}

TEST(ScanBits, KnowsWhenItGaveMoreThanThereIs) {
  for (const Bytes& bytes :
       {Bytes{0xA5, 0x0F}, Bytes{0xA5, 0x0F, 0xFF, 0xD9, 0x11}, Bytes{0xA5, 0x0F, 0xFF}}) {
    ScanBits bits(bytes);
    for (int i = 0; i < 16; ++i) {
      bits.refill();
      bits.drop(1);
      EXPECT_FALSE(bits.overran()) << i;
    }
    for (int i = 0; i < 200; ++i) {
      bits.refill();
      EXPECT_EQ(bits.bits() >> 63, 0U);
      bits.drop(1);
      EXPECT_TRUE(bits.overran()) << i;
    }
  }
}

TEST(ScanBits, GoesOnBehindTheRestartMarkerThatIsDue) {
  const Bytes bytes{0xA5, 0x07, 0xFF, 0xFF, 0xD3, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const auto after = [&](int taken) {
    ScanBits bits(bytes);
    for (int i = 0; i < taken; ++i) {
      bits.refill();
      bits.drop(1);
    }
    return bits;
  };
  ScanBits due = after(13);  // three bits of padding
  ScanBits wrong = due;
  EXPECT_FALSE(wrong.restart(4));
  ASSERT_TRUE(due.restart(3));
  due.refill();
  EXPECT_EQ(due.bits() >> 56, 0x80U);
  EXPECT_FALSE(due.overran());
  ScanBits early = after(8), late = after(17);
  EXPECT_FALSE(early.restart(3));  // a whole byte is left
  EXPECT_FALSE(late.restart(3));
}

// The tables of T.81, Annex K.3, for light.
constexpr std::uint8_t kDcCounts[16] = {0, 1, 5, 1, 1, 1, 1, 1, 1};
constexpr std::uint8_t kDcSymbols[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

TEST(HuffmanTable, ReadsTheCodesOfTheStandard) {
  const auto table = std::make_unique<HuffmanTable>();
  ASSERT_TRUE(table->build(kDcCounts, kDcSymbols, true));
  const auto one = table->one(std::uint64_t{0b011} << 61);
  EXPECT_EQ(one.bits(), 5U);
  EXPECT_EQ(one.code_bits(), 3U);
  EXPECT_EQ(one.size(), 2);
  EXPECT_EQ(table->one(std::uint64_t{0b111111110} << 55).bits(), 20U);
  EXPECT_FALSE(table->one(~std::uint64_t{0}));
  EXPECT_EQ(table->symbol(~std::uint64_t{0}).bits, 0);
}

// T.81, Table F.1.
TEST(HuffmanTable, KnowsANumberByItsSizeAndBits) {
  EXPECT_EQ(number_of(~std::uint64_t{0}, 0), 0);
  EXPECT_EQ(number_of(0, 0), 0);
  for (int size = 1; size <= 11; ++size) {
    for (int value = 0; value < 1 << size; ++value) {
      const auto bits = static_cast<std::uint64_t>(value) << (64 - size) | 0x5555;
      const int half = 1 << (size - 1);
      EXPECT_EQ(number_of(bits, size), value >= half ? value : value - 2 * half + 1);
    }
  }
}

TEST(HuffmanTable, RefusesWhatDoesNotFit) {
  const auto table = std::make_unique<HuffmanTable>();
  std::uint8_t counts[16] = {3};
  const Bytes symbols(256, 1);
  EXPECT_FALSE(table->build(counts, symbols, false));
  counts[0] = 2;
  EXPECT_FALSE(table->build(counts, symbols, false));  // the second code is of ones alone
  counts[0] = counts[1] = 1;
  EXPECT_TRUE(table->build(counts, symbols, false));
  EXPECT_FALSE(table->build(counts, std::span(symbols).first(1), false));
  const Bytes too_large{0x0B, 0x01};
  EXPECT_FALSE(table->build(counts, too_large, false));
  EXPECT_TRUE(table->build(counts, too_large, true));
  const Bytes no_size{0x0C, 0x01};
  EXPECT_FALSE(table->build(counts, no_size, true));
}

// Codes of all lengths up to 16 bits, drawn at random.
void build_at_random(std::mt19937& random, HuffmanTable& table) {
  std::uint8_t counts[16] = {};
  Bytes symbols;
  int free = 1;  // codes of this length that no shorter one begins
  for (int length = 1; length <= 16; ++length) {
    free *= 2;
    const int most = std::min({free - 1, 20, 250 - static_cast<int>(symbols.size())});
    const auto count = static_cast<int>(random() % static_cast<unsigned>(most + 1));
    counts[length - 1] = static_cast<std::uint8_t>(length == 16 ? std::max(count, 1) : count);
    free -= counts[length - 1];
    for (int i = 0; i < counts[length - 1]; ++i) {
      symbols.push_back(static_cast<std::uint8_t>(random() % 11 | random() % 16 << 4));
    }
  }
  ASSERT_TRUE(table.build(counts, symbols, false));
}

TEST(HuffmanTable, ShowsAtAGlanceWhatItsSymbolsAreOneByOne) {
  std::mt19937_64 random_bits(1);
  std::mt19937 random(2);
  const auto table = std::make_unique<HuffmanTable>();
  int shown = 0;
  for (int round = 0; round < 50; ++round) {
    build_at_random(random, *table);
    for (int i = 0; i < 1000; ++i) {
      const std::uint64_t bits = random_bits();
      const auto first = table->symbol(bits);
      if (const auto one = table->one(bits)) {
        EXPECT_EQ(one.bits(), static_cast<unsigned>(first.bits + first.size));
        EXPECT_EQ(one.code_bits(), static_cast<unsigned>(first.bits));
        EXPECT_EQ(one.size(), first.size);
        EXPECT_EQ(one.steps(), first.steps);
      } else {
        EXPECT_TRUE(first.bits == 0 || first.bits > HuffmanTable::kGlance);
      }
      const auto several = table->several(bits);
      EXPECT_EQ(static_cast<bool>(several), first.bits > 0 && first.bits <= HuffmanTable::kGlance &&
                                                first.bits + first.size <= HuffmanTable::kShown);
      unsigned used = 0;
      int steps = 0;
      while (used < several.bits()) {
        const auto next = table->symbol(bits << used);
        ASSERT_GT(next.bits, 0);
        used += static_cast<unsigned>(next.bits + next.size);
        steps += next.steps;
        ++shown;
      }
      EXPECT_EQ(used, several.bits());
      EXPECT_EQ(steps, several.steps());
    }
  }
  EXPECT_GT(shown, 50'000);
}

}  // namespace
}  // namespace pgmmr
