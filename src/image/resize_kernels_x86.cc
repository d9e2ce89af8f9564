// resize()'s inner loops in intrinsics, for AVX2 and for AVX-512 with byte permutations and VNNI.
#if defined(__x86_64__)

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
// False alarms from inside immintrin.h (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "image/resize_kernels.h"

namespace pgmmr {
namespace {

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

// pmaddwd multiplies 16-bit numbers, the weights have 23 bits and a sign: each is split into
// high * 2^11 + low. The low sums may wrap around; so does the shifted high sum, and what is added
// up modulo 2^32 is the true sum, which fits.
constexpr int kLowBits = 11;

// Four taps as two vectors of 16-bit weights, in the order in which a shuffle lays out the pixels:
// R0 R1 G0 G1 B0 B1 - - | R2 R3 G2 G3 B2 B3 - -
struct alignas(32) SplitWeights {
  std::int16_t low[16];
  std::int16_t high[16];
};

std::vector<SplitWeights> split(const std::int32_t* weights, int count) {
  std::vector<SplitWeights> groups(static_cast<std::size_t>((count + 3) / 4), SplitWeights{});
  for (int i = 0; i < count; ++i) {
    SplitWeights& group = groups[static_cast<std::size_t>(i / 4)];
    const auto low = static_cast<std::int16_t>(weights[i] & ((1 << kLowBits) - 1));
    const auto high = static_cast<std::int16_t>(weights[i] >> kLowBits);
    for (int channel = 0; channel < 3; ++channel) {
      const int lane = (i % 4) / 2 * 8 + channel * 2 + i % 2;
      group.low[lane] = low;
      group.high[lane] = high;
    }
  }
  return groups;
}

template <int kRows>
__attribute__((target("avx2"))) void horizontal_pixel_avx2(const std::uint8_t* in,
                                                           std::size_t in_stride, std::uint8_t* out,
                                                           std::size_t out_stride,
                                                           const SplitWeights* groups, int count) {
  const __m256i lay_out =
      _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7,
                       -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  __m256i low[kRows], high[kRows];
  for (int y = 0; y < kRows; ++y) low[y] = high[y] = _mm256_setzero_si256();
  for (int i = 0; i < count; ++i) {
    const __m256i low_weights = _mm256_load_si256(reinterpret_cast<const __m256i*>(groups[i].low));
    const __m256i high_weights =
        _mm256_load_si256(reinterpret_cast<const __m256i*>(groups[i].high));
    for (int y = 0; y < kRows; ++y) {
      const auto* from = reinterpret_cast<const __m128i*>(
          in + static_cast<std::size_t>(y) * in_stride + static_cast<std::size_t>(i) * 12);
      const __m256i pixels =
          _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(from)), lay_out);
      low[y] = _mm256_add_epi32(low[y], _mm256_madd_epi16(pixels, low_weights));
      high[y] = _mm256_add_epi32(high[y], _mm256_madd_epi16(pixels, high_weights));
    }
  }
  for (int y = 0; y < kRows; ++y) {
    const __m256i both = _mm256_add_epi32(low[y], _mm256_slli_epi32(high[y], kLowBits));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(kHalf)), kWeightBits);
    sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), sum);
    const auto rgb = static_cast<std::uint32_t>(_mm_cvtsi128_si32(sum));
    std::memcpy(out + static_cast<std::size_t>(y) * out_stride, &rgb, 3);
  }
}

// The loops above read in steps of 12 bytes, 16 at a time: up to this much behind the last tap.
constexpr std::size_t kOverread = 16;

__attribute__((target("avx2"))) void horizontal_avx2(const std::uint8_t* in, std::size_t in_bytes,
                                                     std::size_t in_stride, std::uint8_t* out,
                                                     std::size_t out_stride, int rows,
                                                     const Taps& taps) {
  // Rows whose overread would leave the picture are done the plain way: the last one, or the last
  // few of a very narrow picture.
  int inside = rows;
  while (inside > 0 && static_cast<std::size_t>(inside) * in_stride + kOverread > in_bytes) {
    --inside;
  }
  if (inside < rows) {
    const auto done = static_cast<std::size_t>(inside);
    portable_resize_kernels().horizontal(in + done * in_stride, in_bytes - done * in_stride,
                                         in_stride, out + done * out_stride, out_stride,
                                         rows - inside, taps);
  }
  std::vector<std::vector<SplitWeights>> weights;
  weights.reserve(taps.ranges.size());
  for (const auto& range : taps.ranges) {
    weights.push_back(split(taps.weights.data() + range.offset, range.count));
  }
  int y = 0;
  const auto pass = [&](auto kernel, int step) {
    for (; y + step <= inside; y += step) {
      const std::uint8_t* from = in + static_cast<std::size_t>(y) * in_stride;
      std::uint8_t* to = out + static_cast<std::size_t>(y) * out_stride;
      for (std::size_t i = 0; i < taps.ranges.size(); ++i) {
        kernel(from + std::size_t{3} * static_cast<std::size_t>(taps.ranges[i].first), in_stride,
               to + 3 * i, out_stride, weights[i].data(), static_cast<int>(weights[i].size()));
      }
    }
  };
  pass(horizontal_pixel_avx2<4>, 4);
  pass(horizontal_pixel_avx2<1>, 1);
}

__attribute__((target("avx2"))) void vertical_avx2(const std::uint8_t* in, std::size_t in_stride,
                                                   const std::int32_t* weights, int count,
                                                   std::uint8_t* out, std::size_t row_bytes) {
  constexpr std::size_t kBlock = 32;
  std::size_t x = 0;
  for (; x + kBlock <= row_bytes; x += kBlock) {
    __m256i sums[4];
    for (auto& sum : sums) sum = _mm256_set1_epi32(kHalf);
    const std::uint8_t* from = in + x;
    for (int i = 0; i < count; ++i, from += in_stride) {
      const __m256i weight = _mm256_set1_epi32(weights[i]);
      for (int j = 0; j < 4; ++j) {
        const __m256i values = _mm256_cvtepu8_epi32(
            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + std::ptrdiff_t{8} * j)));
        sums[j] = _mm256_add_epi32(sums[j], _mm256_mullo_epi32(values, weight));
      }
    }
    for (auto& sum : sums) sum = _mm256_srai_epi32(sum, kWeightBits);
    // The packs work within 128-bit halves; one permutation puts the quarters in order again.
    const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(sums[0], sums[1]),
                                              _mm256_packs_epi32(sums[2], sums[3]));
    _mm256_storeu_si256(
        reinterpret_cast<__m256i*>(out + x),
        _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
  }
  portable_resize_kernels().vertical(in + x, in_stride, weights, count, out + x, row_bytes - x);
}

// vpdpbusd multiplies bytes, four neighbours into one sum: each weight is written as three signed
// digits of base 256, and three sums, shifted, add up to the true one modulo 2^32. Weights of
// normalised filters are below 1.2, and the highest digit holds up to 1.98.
constexpr int kDigits = 3;

struct Digits {
  std::int8_t digit[kDigits];
};

Digits digits_of(std::int32_t weight) {
  Digits digits;
  for (std::int8_t& digit : digits.digit) {
    digit = static_cast<std::int8_t>(weight & 0xFF);
    weight = (weight - digit) >> 8;
  }
  assert(weight == 0);
  return digits;
}

// 16 taps in the order in which a permutation lays out the pixels: a quarter holds four pixels, as
// R R R R G G G G B B B B and four bytes that don't count.
struct alignas(64) DigitGroup {
  std::int8_t digit[kDigits][64];
};

struct DigitTaps {
  std::size_t offset = 0;  // of the first group
  int groups = 0;
  __mmask64 last = 0;  // the bytes of the last group that may be read
};

#define PGMMR_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")))

PGMMR_AVX512 void horizontal_rows_avx512(const std::uint8_t* in, std::size_t in_stride,
                                         std::uint8_t* out, std::size_t out_stride,
                                         const DigitGroup* groups, int count, __mmask64 last) {
  constexpr int kRows = 4;
  constexpr __mmask64 kWhole = (__mmask64{1} << 48) - 1;
  alignas(64) static constexpr std::uint8_t kLayOut[64] = {
      0,  3,  6,  9,  1,  4,  7,  10, 2,  5,  8,  11, 0,  0,  0,  0,  12, 15, 18, 21, 13, 16,
      19, 22, 14, 17, 20, 23, 0,  0,  0,  0,  24, 27, 30, 33, 25, 28, 31, 34, 26, 29, 32, 35,
      0,  0,  0,  0,  36, 39, 42, 45, 37, 40, 43, 46, 38, 41, 44, 47, 0,  0,  0,  0};
  const __m512i lay_out = _mm512_load_si512(kLayOut);
  __m512i sums[kRows][kDigits];
  for (auto& row : sums) {
    for (auto& sum : row) sum = _mm512_setzero_si512();
  }
  for (int i = 0; i < count; ++i) {
    const __mmask64 mask = i + 1 < count ? kWhole : last;
    for (int y = 0; y < kRows; ++y) {
      const __m512i pixels = _mm512_permutexvar_epi8(
          lay_out, _mm512_maskz_loadu_epi8(mask, in + static_cast<std::size_t>(y) * in_stride +
                                                     static_cast<std::size_t>(i) * 48));
      for (int digit = 0; digit < kDigits; ++digit) {
        sums[y][digit] =
            _mm512_dpbusd_epi32(sums[y][digit], pixels, _mm512_load_si512(groups[i].digit[digit]));
      }
    }
  }
  __m512i whole[kRows];
  for (int y = 0; y < kRows; ++y) {
    whole[y] = _mm512_add_epi32(
        sums[y][0],
        _mm512_slli_epi32(_mm512_add_epi32(sums[y][1], _mm512_slli_epi32(sums[y][2], 8)), 8));
  }
  // The four quarters of each row are added up: quarter y of the result is row y.
  const __m512i upper = _mm512_add_epi32(_mm512_shuffle_i32x4(whole[0], whole[1], 0x44),
                                         _mm512_shuffle_i32x4(whole[0], whole[1], 0xEE));
  const __m512i lower = _mm512_add_epi32(_mm512_shuffle_i32x4(whole[2], whole[3], 0x44),
                                         _mm512_shuffle_i32x4(whole[2], whole[3], 0xEE));
  const __m512i rows = _mm512_add_epi32(_mm512_shuffle_i32x4(upper, lower, 0x88),
                                        _mm512_shuffle_i32x4(upper, lower, 0xDD));
  const __m512i levels = _mm512_max_epi32(
      _mm512_srai_epi32(_mm512_add_epi32(rows, _mm512_set1_epi32(kHalf)), kWeightBits),
      _mm512_setzero_si512());
  alignas(16) std::uint8_t bytes[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(bytes), _mm512_cvtusepi32_epi8(levels));
  for (int y = 0; y < kRows; ++y) {
    std::memcpy(out + static_cast<std::size_t>(y) * out_stride, bytes + std::ptrdiff_t{4} * y, 3);
  }
}

PGMMR_AVX512 void horizontal_avx512(const std::uint8_t* in, std::size_t in_bytes,
                                    std::size_t in_stride, std::uint8_t* out,
                                    std::size_t out_stride, int rows, const Taps& taps) {
  std::vector<DigitGroup> groups;
  std::vector<DigitTaps> pixels;
  pixels.reserve(taps.ranges.size());
  for (const auto& range : taps.ranges) {
    DigitTaps pixel;
    pixel.offset = groups.size();
    pixel.groups = (range.count + 15) / 16;
    pixel.last = (__mmask64{1} << (3 * (range.count - (pixel.groups - 1) * 16))) - 1;
    groups.resize(groups.size() + static_cast<std::size_t>(pixel.groups), DigitGroup{});
    for (int i = 0; i < range.count; ++i) {
      const Digits digits = digits_of(taps.weights[range.offset + static_cast<std::size_t>(i)]);
      DigitGroup& group = groups[pixel.offset + static_cast<std::size_t>(i / 16)];
      for (int digit = 0; digit < kDigits; ++digit) {
        for (int channel = 0; channel < 3; ++channel) {
          group.digit[digit][i % 16 / 4 * 16 + channel * 4 + i % 4] = digits.digit[digit];
        }
      }
    }
    pixels.push_back(pixel);
  }
  int y = 0;
  for (; y + 4 <= rows; y += 4) {
    const std::uint8_t* from = in + static_cast<std::size_t>(y) * in_stride;
    std::uint8_t* to = out + static_cast<std::size_t>(y) * out_stride;
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      horizontal_rows_avx512(from + std::size_t{3} * static_cast<std::size_t>(taps.ranges[i].first),
                             in_stride, to + 3 * i, out_stride, groups.data() + pixels[i].offset,
                             pixels[i].groups, pixels[i].last);
    }
  }
  const auto done = static_cast<std::size_t>(y);
  if (y < rows) {
    avx2_resize_kernels().horizontal(in + done * in_stride, in_bytes - done * in_stride, in_stride,
                                     out + done * out_stride, out_stride, rows - y, taps);
  }
}

// Four rows at a time, 64 bytes of each: interleaved, a column's four bytes meet four weights.
PGMMR_AVX512 void vertical_avx512(const std::uint8_t* in, std::size_t in_stride,
                                  const std::int32_t* weights, int count, std::uint8_t* out,
                                  std::size_t row_bytes) {
  constexpr int kTogether = 4;
  const int groups = (count + kTogether - 1) / kTogether;
  std::vector<std::array<std::int32_t, kDigits>> packed(static_cast<std::size_t>(groups));
  for (int i = 0; i < groups; ++i) {
    std::int8_t bytes[kDigits][kTogether] = {};
    for (int row = 0; row < std::min(kTogether, count - i * kTogether); ++row) {
      const Digits digits = digits_of(weights[i * kTogether + row]);
      for (int digit = 0; digit < kDigits; ++digit) bytes[digit][row] = digits.digit[digit];
    }
    std::memcpy(packed[static_cast<std::size_t>(i)].data(), bytes, sizeof bytes);
  }
  for (std::size_t x = 0; x < row_bytes; x += 64) {
    const std::size_t left = row_bytes - x;
    const __mmask64 mask = left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
    __m512i sums[4][kDigits];
    for (auto& quarter : sums) {
      for (auto& sum : quarter) sum = _mm512_setzero_si512();
    }
    for (int i = 0; i < groups; ++i) {
      __m512i rows[kTogether];
      for (int row = 0; row < kTogether; ++row) {
        // Behind the last row the weights are zero: any row will do.
        const auto at = static_cast<std::size_t>(std::min(i * kTogether + row, count - 1));
        rows[row] = _mm512_maskz_loadu_epi8(mask, in + x + at * in_stride);
      }
      const __m512i low01 = _mm512_unpacklo_epi8(rows[0], rows[1]);
      const __m512i high01 = _mm512_unpackhi_epi8(rows[0], rows[1]);
      const __m512i low23 = _mm512_unpacklo_epi8(rows[2], rows[3]);
      const __m512i high23 = _mm512_unpackhi_epi8(rows[2], rows[3]);
      const __m512i quarters[4] = {
          _mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
          _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)};
      for (int digit = 0; digit < kDigits; ++digit) {
        const __m512i weight =
            _mm512_set1_epi32(packed[static_cast<std::size_t>(i)][static_cast<std::size_t>(digit)]);
        for (int q = 0; q < 4; ++q) {
          sums[q][digit] = _mm512_dpbusd_epi32(sums[q][digit], quarters[q], weight);
        }
      }
    }
    __m512i levels[4];
    for (int q = 0; q < 4; ++q) {
      const __m512i sum = _mm512_add_epi32(
          sums[q][0],
          _mm512_slli_epi32(_mm512_add_epi32(sums[q][1], _mm512_slli_epi32(sums[q][2], 8)), 8));
      levels[q] = _mm512_srai_epi32(_mm512_add_epi32(sum, _mm512_set1_epi32(kHalf)), kWeightBits);
    }
    // The interleaving and the packs work within quarters, so that columns come out in order.
    const __m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(levels[0], levels[1]),
                                              _mm512_packs_epi32(levels[2], levels[3]));
    _mm512_mask_storeu_epi8(out + x, mask, bytes);
  }
}

#undef PGMMR_AVX512

}  // namespace

ResizeKernels avx2_resize_kernels() { return {"AVX2", horizontal_avx2, vertical_avx2}; }

ResizeKernels avx512_resize_kernels() { return {"AVX-512", horizontal_avx512, vertical_avx512}; }

}  // namespace pgmmr

#endif
