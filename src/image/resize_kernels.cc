#include "image/resize_kernels.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pgmmr {
namespace {

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

inline std::uint8_t clamped(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

void horizontal_portable(const std::uint8_t* in, std::size_t /*in_bytes*/, std::size_t in_stride,
                         std::uint8_t* out, std::size_t out_stride, int rows, const Taps& taps) {
  for (int y = 0; y < rows; ++y, in += in_stride, out += out_stride) {
    std::uint8_t* to = out;
    for (const auto& range : taps.ranges) {
      const std::uint8_t* from = in + std::size_t{3} * static_cast<std::size_t>(range.first);
      const std::int32_t* weight = taps.weights.data() + range.offset;
      std::int32_t red = kHalf, green = kHalf, blue = kHalf;
      for (int i = 0; i < range.count; ++i, from += 3) {
        red += weight[i] * from[0];
        green += weight[i] * from[1];
        blue += weight[i] * from[2];
      }
      to[0] = clamped(red);
      to[1] = clamped(green);
      to[2] = clamped(blue);
      to += 3;
    }
  }
}

void vertical_tail(const std::uint8_t* in, std::size_t in_stride, const std::int32_t* weights,
                   int count, std::uint8_t* out, std::size_t begin, std::size_t end) {
  for (std::size_t x = begin; x < end; ++x) {
    std::int32_t sum = kHalf;
    const std::uint8_t* from = in + x;
    for (int i = 0; i < count; ++i, from += in_stride) sum += weights[i] * *from;
    out[x] = clamped(sum);
  }
}

void vertical_portable(const std::uint8_t* in, std::size_t in_stride, const std::int32_t* weights,
                       int count, std::uint8_t* out, std::size_t row_bytes) {
  // A fixed small block: the compiler keeps the sums in vector registers.
  constexpr std::size_t kBlock = 16;
  std::size_t x = 0;
  for (; x + kBlock <= row_bytes; x += kBlock) {
    std::int32_t sums[kBlock];
    std::fill_n(sums, kBlock, kHalf);
    const std::uint8_t* from = in + x;
    for (int i = 0; i < count; ++i, from += in_stride) {
      for (std::size_t j = 0; j < kBlock; ++j) sums[j] += weights[i] * from[j];
    }
    for (std::size_t j = 0; j < kBlock; ++j) out[x + j] = clamped(sums[j]);
  }
  vertical_tail(in, in_stride, weights, count, out, x, row_bytes);
}

#if defined(__x86_64__)

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
    horizontal_portable(in + done * in_stride, in_bytes - done * in_stride, in_stride,
                        out + done * out_stride, out_stride, rows - inside, taps);
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
  vertical_tail(in, in_stride, weights, count, out, x, row_bytes);
}

#endif

}  // namespace

ResizeKernels portable_resize_kernels() { return {horizontal_portable, vertical_portable}; }

const ResizeKernels& resize_kernels() {
  static const ResizeKernels chosen = [] {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return ResizeKernels{horizontal_avx2, vertical_avx2};
#endif
    return portable_resize_kernels();
  }();
  return chosen;
}

}  // namespace pgmmr
