#include "image/reduced_jpeg.h"

#include <jpeglib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/clones.h"
#include "image/huffman.h"

namespace pgmmr {
namespace {

constexpr int kFrequencies = 64;
constexpr int kMostMean = 32767;  // of a block, in steps; samples of 8 bits give 1,024

int rounded_up(int value, int by) { return (value + by - 1) / by; }

// What of a block's frequencies is kept, in zigzag order: the mean alone, or what the means of its
// quarters take: 1 is the first horizontal one, 2 the first vertical one, 4 both; 3 is not used.
constexpr int kept_of(int edge) { return edge == 1 ? 1 : 5; }
using Kept = std::array<int, 6>;  // and a place for others

// One colour of a scan: its codes, and an MCU row of its blocks as pixels, `edge` by `edge` of
// each.
struct Plane {
  const HuffmanTable* dc = nullptr;
  const HuffmanTable* ac = nullptr;
  Kept steps{};              // of quantisation
  int across = 1, down = 1;  // blocks of an MCU
  int edge = 1;              // 1 or 2
  int mean = 0;              // of the last block
  int width = 0;             // pixels of a row
  std::vector<std::uint8_t> rows;

  std::uint8_t* row(int y) {
    return rows.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width);
  }
};

// The next symbol, whatever its code, and its number.
//   returns  how many frequencies it goes on by, or kEnd; 0 where there is no such code
PGMMR_INLINE int read_symbol(const HuffmanTable& table, ScanBits& bits, int& number) {
  if (const auto one = table.one(bits.bits())) [[likely]] {
    number = number_of(bits.bits() << one.code_bits(), one.size());
    bits.drop(one.bits());
    return one.steps();
  }
  const HuffmanTable::Symbol symbol = table.symbol(bits.bits());
  bits.drop(static_cast<unsigned>(symbol.bits));
  number = number_of(bits.bits(), symbol.size);
  bits.drop(static_cast<unsigned>(symbol.size));
  return symbol.steps;
}

// The frequencies of the next block that are kept, the others passed over.
//   returns  false where the codes make no sense
template <int kKept>
PGMMR_INLINE bool read_block(const Plane& plane, ScanBits& from, Kept& kept) {
  constexpr int kGlances = ScanBits::kFilled / HuffmanTable::kShown;
  ScanBits bits = from;
  kept = {};
  int number = 0;
  bits.refill();
  if (read_symbol(*plane.dc, bits, kept[0]) == 0) return false;

  int next = 1;
  while (next < kKept) {
    if (bits.count() < HuffmanTable::kLongest) bits.refill();
    const int steps = read_symbol(*plane.ac, bits, number);
    if (steps == 0) return false;
    next += steps;
    kept[static_cast<std::size_t>(std::min(next - 1, kKept))] = number;
  }
  while (next < kFrequencies) {
    bits.refill();
    for (int glance = 0; glance < kGlances; ++glance) {
      const auto several = plane.ac->several(bits.bits());
      const int after = next + several.steps();
      if (several && after < kFrequencies) [[likely]] {
        bits.drop(several.bits());
        next = after;
        continue;
      }
      if (several && (after == kFrequencies ||
                      (after >= HuffmanTable::kEnd && after < HuffmanTable::kEnd + kFrequencies))) {
        bits.drop(several.bits());
        from = bits;
        return true;
      }
      // A long code, or the glance goes beyond the block.
      bits.refill();
      const int steps = read_symbol(*plane.ac, bits, number);
      if (steps == 0) return false;
      next += steps;
      break;
    }
  }
  from = bits;
  return next == kFrequencies || next >= HuffmanTable::kEnd;
}

std::uint8_t to_level(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

// The means of a block's quarters, or of all of it. (T.81, A.3.3: a frequency of 1 in one direction
// weighs sqrt(1/32) times its cosine, whose mean over half a block is 0.640729; of 0, 1/8.)
template <int kEdge>
PGMMR_INLINE void store_block(const Kept& kept, const Kept& steps, std::uint8_t* to,
                              std::ptrdiff_t stride) {
  constexpr int kBits = 14;
  constexpr int kRound = (128 << kBits) + (1 << (kBits - 1));
  // Of damaged data a product may be anything.
  const auto level = [&](std::size_t i) { return std::clamp(kept[i] * steps[i], -16384, 16383); };
  const int mean = level(0) * (1 << (kBits - 3)) + kRound;
  if constexpr (kEdge == 1) {
    to[0] = to_level(mean >> kBits);
  } else {
    constexpr int kOne = 1856, kBoth = 1682;  // of 2^14: 0.113266 and 0.102634
    const int across = level(1) * kOne, down = level(2) * kOne, both = level(4) * kBoth;
    to[0] = to_level((mean + across + down + both) >> kBits);
    to[1] = to_level((mean - across + down - both) >> kBits);
    to[stride] = to_level((mean + across - down - both) >> kBits);
    to[stride + 1] = to_level((mean - across - down + both) >> kBits);
  }
}

template <int kEdge>
PGMMR_INLINE bool read_blocks(Plane& plane, int mcu, ScanBits& bits) {
  Kept kept;
  for (int y = 0; y < plane.down; ++y) {
    for (int x = 0; x < plane.across; ++x) {
      if (!read_block<kept_of(kEdge)>(plane, bits, kept)) return false;
      plane.mean += kept[0];
      if (std::abs(plane.mean) > kMostMean) return false;
      kept[0] = plane.mean;
      store_block<kEdge>(kept, plane.steps, plane.row(y * kEdge) + (mcu * plane.across + x) * kEdge,
                         plane.width);
    }
  }
  return true;
}

void store_gray_row(const std::uint8_t* from, int width, std::uint8_t* to) {
  for (int x = 0; x < width; ++x, to += 3) to[0] = to[1] = to[2] = from[x];
}

// A level from -256 to 511, clamped to 8 bits.
constexpr auto kClamped = [] {
  std::array<std::uint8_t, 768> levels{};
  for (int i = 0; i < 768; ++i) {
    levels[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(std::clamp(i - 256, 0, 255));
  }
  return levels;
}();

// JFIF 1.02's YCbCr, in libjpeg's rounding; one or two pixels share a colour.
template <int kAcross>
void store_row(const std::array<const std::uint8_t*, 3>& from, int width, std::uint8_t* to) {
  constexpr int kHalf = 1 << 15;
  const std::uint8_t* light = from[0];
  for (int x = 0, at = 0; x < width; x += kAcross, ++at) {
    const int blue = from[1][at] - 128, red = from[2][at] - 128;
    const std::uint8_t* const reds =
        &kClamped[static_cast<std::size_t>(256 + ((91881 * red + kHalf) >> 16))];
    const std::uint8_t* const greens =
        &kClamped[static_cast<std::size_t>(256 + ((-22554 * blue - 46802 * red + kHalf) >> 16))];
    const std::uint8_t* const blues =
        &kClamped[static_cast<std::size_t>(256 + ((116130 * blue + kHalf) >> 16))];
    for (int i = 0; i < kAcross; ++i, to += 3) {
      if (i > 0 && x + i >= width) break;
      const std::size_t level = *light++;
      to[0] = reds[level];
      to[1] = greens[level];
      to[2] = blues[level];
    }
  }
}

// All MCUs, a row of them at a time.
template <int kEdge, int kColourEdge>
PGMMR_INLINE bool read_rows(const jpeg_decompress_struct& header,
                            std::span<const std::uint8_t> scan, std::span<Plane> planes,
                            Picture& picture) {
  Plane& light = planes.front();
  const int mcus = rounded_up(static_cast<int>(header.image_width), 8 * light.across);
  const int mcu_rows = rounded_up(static_cast<int>(header.image_height), 8 * light.down);
  for (Plane& plane : planes) {
    plane.width = mcus * plane.across * plane.edge;
    plane.rows.resize(static_cast<std::size_t>(plane.width) *
                      static_cast<std::size_t>(plane.down * plane.edge));
  }
  ScanBits bits(scan);
  const auto interval = static_cast<int>(header.restart_interval);
  int until_restart = interval, restarts = 0;
  for (int mcu_row = 0; mcu_row < mcu_rows; ++mcu_row) {
    for (int mcu = 0; mcu < mcus; ++mcu) {
      if (interval > 0 && until_restart-- == 0) {
        if (!bits.restart(restarts++ % 8)) return false;
        until_restart = interval - 1;
        for (Plane& plane : planes) plane.mean = 0;
      }
      if (!read_blocks<kEdge>(light, mcu, bits)) return false;
      for (Plane& plane : planes.subspan(1)) {
        if (!read_blocks<kColourEdge>(plane, mcu, bits)) return false;
      }
    }
    if (bits.overran()) return false;
    const int top = mcu_row * light.down * kEdge;
    const int end = std::min(top + light.down * kEdge, picture.height);
    for (int y = top; y < end; ++y) {
      std::uint8_t* to = picture.rgb.data() + static_cast<std::ptrdiff_t>(y) * picture.width * 3;
      if (planes.size() == 1) {
        store_gray_row(light.row(y - top), picture.width, to);
      } else {
        const int of_colour = (y - top) / (light.down * kEdge / kColourEdge);
        const std::array<const std::uint8_t*, 3> rows{light.row(y - top), planes[1].row(of_colour),
                                                      planes[2].row(of_colour)};
        const auto store = light.across * kEdge == kColourEdge ? store_row<1> : store_row<2>;
        store(rows, picture.width, to);
      }
    }
  }
  bits.refill();
  return bits.goes_on();  // libjpeg wants the end marker, or any other, to know that this is all
}

// Shifts by a number of bits that varies take one step on newer CPUs.
PGMMR_CLONES bool read_all(const jpeg_decompress_struct& header, std::span<const std::uint8_t> scan,
                           std::span<Plane> planes, Picture& picture) {
  if (planes.front().edge == 2) return read_rows<2, 2>(header, scan, planes, picture);
  return planes.back().edge == 2 ? read_rows<1, 2>(header, scan, planes, picture)
                                 : read_rows<1, 1>(header, scan, planes, picture);
}

bool is_usual(const jpeg_decompress_struct& header) {
  const bool sequential = header.progressive_mode == FALSE && header.arith_code == FALSE &&
                          header.data_precision == 8 && header.Ss == 0 &&
                          header.Se == kFrequencies - 1 && header.Ah == 0 && header.Al == 0;
  const bool colours = (header.num_components == 1 && header.jpeg_color_space == JCS_GRAYSCALE) ||
                       (header.num_components == 3 && header.jpeg_color_space == JCS_YCbCr);
  if (!sequential || !colours || header.comps_in_scan != header.num_components) return false;
  for (int i = 0; i < header.num_components; ++i) {
    const jpeg_component_info& component = header.comp_info[i];
    // Light may be in up to two by two blocks; in another order libjpeg reads it.
    const int most = i == 0 ? 2 : 1;
    // The numbers of its tables are as the file has them.
    if (component.quant_tbl_no >= NUM_QUANT_TBLS || component.dc_tbl_no >= NUM_HUFF_TBLS ||
        component.ac_tbl_no >= NUM_HUFF_TBLS) {
      return false;
    }
    if (header.cur_comp_info[i] != &component || component.h_samp_factor > most ||
        component.v_samp_factor > most) {
      return false;
    }
  }
  return true;
}

class Tables {
 public:
  // The code that a scan's colour is in, made when it is first asked for; null where there is none
  // or it makes no sense.
  const HuffmanTable* get(const jpeg_decompress_struct& header, int number, bool dc) {
    const JHUFF_TBL* stored =
        dc ? header.dc_huff_tbl_ptrs[number] : header.ac_huff_tbl_ptrs[number];
    auto& table = made_[dc ? 0 : 1][static_cast<std::size_t>(number)];
    if (!table && stored != nullptr) {
      auto built = std::make_unique<HuffmanTable>();
      if (built->build(std::span(stored->bits).subspan(1), stored->huffval, dc)) {
        table = std::move(built);
      }
    }
    return table.get();
  }

 private:
  std::array<std::array<std::unique_ptr<HuffmanTable>, NUM_HUFF_TBLS>, 2> made_;
};

}  // namespace

bool read_reduced(const jpeg_decompress_struct& header, std::span<const std::uint8_t> scan,
                  int reduction, Picture& picture) {
  if (!is_usual(header)) return false;
  const int count = header.num_components;
  Tables tables;
  std::array<Plane, 3> planes;
  for (int i = 0; i < count; ++i) {
    const jpeg_component_info& component = header.comp_info[i];
    Plane& plane = planes[static_cast<std::size_t>(i)];
    plane.dc = tables.get(header, component.dc_tbl_no, true);
    plane.ac = tables.get(header, component.ac_tbl_no, false);
    const JQUANT_TBL* steps = header.quant_tbl_ptrs[component.quant_tbl_no];
    if (plane.dc == nullptr || plane.ac == nullptr || steps == nullptr) return false;
    plane.steps = {steps->quantval[0], steps->quantval[1], steps->quantval[8], steps->quantval[16],
                   steps->quantval[9]};
    if (count > 1) {  // a scan of one colour is in single blocks
      plane.across = component.h_samp_factor;
      plane.down = component.v_samp_factor;
    }
    plane.edge = 8 / reduction;
  }
  // An eighth has as many pixels as there are quarters of the blocks of halved colour.
  if (reduction == 8 && count > 1 && planes[0].across * planes[0].down == 4) {
    planes[1].edge = planes[2].edge = 2;
  }
  return read_all(header, scan, std::span(planes).first(static_cast<std::size_t>(count)), picture);
}

}  // namespace pgmmr
