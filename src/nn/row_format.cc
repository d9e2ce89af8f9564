#include "nn/row_format.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/error.h"
#include "nn/cpu.h"
#include "nn/parallel.h"
#include "nn/vector.h"

namespace pgmmr {
namespace {

using vector::Floats;
using vector::Ints;
using vector::kLanes;

struct Quantised {
  float scale;
  std::int32_t sum;  // of the integers, where the scale is finite
};

void keep(const Quantised& quantised, Activations& to, int i) {
  to.scales()[i] = quantised.scale;
  to.sums()[i] = quantised.sum;
}

// What a value is multiplied by to be an integer; zero for a row that has no scale, or one of less
// than 127 / 3e38.
PGMMR_INLINE float unit_of(float top) {
  const float unit = top > 0 ? 127 / top : 0.0f;
  return std::isfinite(unit) ? unit : 0.0f;
}

#if defined(__x86_64__)
// GCC bug 105593: it takes the undefined operands of its own intrinsics for variables without
// value.
#pragma GCC diagnostic push
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

// One instruction where the other version has nine; it takes denormal numbers for zero.
__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) void narrow_in_hardware(
    const float* from, int count, Bf16* to) {
  for (int k = 0; k < count; k += kLanes) {
    const int left = count - k;
    const auto mask = static_cast<__mmask16>(left >= kLanes ? 0xFFFF : (1 << left) - 1);
    const __m512 value = _mm512_maskz_loadu_ps(mask, from + k);
    _mm256_mask_storeu_epi16(to + k, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
  }
}

#define PGMMR_QUANTISES __attribute__((target("avx512f,avx512bw,avx512vl")))

PGMMR_QUANTISES PGMMR_INLINE __m512 load_lanes(__mmask16 lanes, const float* from) {
  return _mm512_maskz_loadu_ps(lanes, from);
}
PGMMR_QUANTISES PGMMR_INLINE __m512 load_lanes(__mmask16 lanes, const Bf16* from) {
  const __m512i bits = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
}

// The largest magnitude. Magnitudes compare as their bits do, and NaN is larger than all.
PGMMR_QUANTISES PGMMR_INLINE float top_of(const float* from, int whole, __mmask16 rest) {
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  __m512i tops = _mm512_setzero_si512();
  for (int k = 0; k < whole; k += kLanes) {
    tops = _mm512_max_epi32(tops, _mm512_and_si512(_mm512_loadu_si512(from + k), magnitude));
  }
  const __m512i last = _mm512_maskz_loadu_epi32(rest, from + whole);
  tops = _mm512_max_epi32(tops, _mm512_and_si512(last, magnitude));
  return std::bit_cast<float>(_mm512_reduce_max_epi32(tops));
}
PGMMR_QUANTISES PGMMR_INLINE float top_of(const Bf16* from, int whole, __mmask16 rest) {
  const __m512i magnitude = _mm512_set1_epi16(0x7FFF);
  __m512i tops = _mm512_setzero_si512();
  int k = 0;
  for (; k + 2 * kLanes <= whole; k += 2 * kLanes) {
    tops = _mm512_max_epu16(tops, _mm512_and_si512(_mm512_loadu_si512(from + k), magnitude));
  }
  const __mmask32 left = k < whole ? __mmask32{rest} << kLanes | 0xFFFF : __mmask32{rest};
  const __m512i last = _mm512_maskz_loadu_epi16(left, from + k);
  tops = _mm512_max_epu16(tops, _mm512_and_si512(last, magnitude));
  // Upper and lower halves of words: positive, so words compare as their upper halves do.
  const __m512i upper = _mm512_max_epi32(tops, _mm512_slli_epi32(tops, 16));
  return std::bit_cast<float>(_mm512_reduce_max_epi32(upper) & 0x7FFF0000);
}

// GCC 12 takes vpmovdb's narrowing apart; this is a seventh of int8's time saved.
template <typename From>
PGMMR_QUANTISES Quantised quantise_in_hardware(const From* from, int count, std::int8_t* to) {
  const int whole = count / kLanes * kLanes;
  const auto rest = static_cast<__mmask16>((1 << (count - whole)) - 1);
  const float top = top_of(from, whole, rest);
  const __m512 unit = _mm512_set1_ps(unit_of(top));
  __m512i sums = _mm512_setzero_si512();
  for (int k = 0; k < count; k += kLanes) {
    const __mmask16 lanes = k < whole ? 0xFFFF : rest;
    const __m512i integers = _mm512_cvtps_epi32(_mm512_mul_ps(load_lanes(lanes, from + k), unit));
    sums = _mm512_add_epi32(sums, integers);
    _mm_mask_storeu_epi8(to + k, lanes, _mm512_cvtepi32_epi8(integers));
  }
  return {top / 127, std::isfinite(top) ? _mm512_reduce_add_epi32(sums) : 0};
}
#pragma GCC diagnostic pop
#endif

// Whole vectors from one form to the other; inlined, so that it takes the instructions of a clone.
//   returns  how many numbers are done
template <typename From, typename To>
PGMMR_INLINE int recode(const From* from, int count, To* to) {
  const int whole = count / kLanes * kLanes;
  Floats value;
  for (int k = 0; k < whole; k += kLanes) {
    vector::load(from + k, value);
    vector::store(value, to + k);
  }
  return whole;
}

PGMMR_CLONES void narrow(const float* from, int count, Bf16* to) {
  for (int k = recode(from, count, to); k < count; ++k) to[k] = to_bf16(from[k]);
}

PGMMR_CLONES void widen(const Bf16* from, int count, float* to) {
  for (int k = recode(from, count, to); k < count; ++k) to[k] = from_bf16(from[k]);
}

PGMMR_CLONES Quantised quantise(const float* from, int count, std::int8_t* to) {
  const int whole = count / kLanes * kLanes;
  // Magnitudes compare as their bits do, and NaN is larger than all.
  Ints tops = {};
  Floats value;
  for (int k = 0; k < whole; k += kLanes) {
    vector::load(from + k, value);
    const Ints bits = reinterpret_cast<Ints>(value) & 0x7FFFFFFF;
    tops = bits > tops ? bits : tops;
  }
  std::int32_t top_bits = 0;
  for (int lane = 0; lane < kLanes; ++lane)
    top_bits = tops[lane] > top_bits ? tops[lane] : top_bits;
  for (int k = whole; k < count; ++k) {
    const auto bits = std::bit_cast<std::int32_t>(from[k]) & 0x7FFFFFFF;
    top_bits = bits > top_bits ? bits : top_bits;
  }
  const auto top = std::bit_cast<float>(top_bits);
  const float unit = unit_of(top);
  for (int k = 0; k < whole; k += kLanes) {
    vector::load(from + k, value);
    value *= unit;
    vector::store(value, to + k);
  }
  for (int k = whole; k < count; ++k) {
    to[k] = static_cast<std::int8_t>(std::bit_cast<std::int32_t>(from[k] * unit + 0x1.8p23f));
  }
  return {top / 127, std::accumulate(to, to + count, 0)};
}

PGMMR_CLONES float take_mean(float* row, int count) {
  const double sum =
      vector::sum_over<Floats>(row, count, [](auto&) __attribute__((always_inline)){});
  const auto mean = static_cast<float>(sum / count);
  const int whole = count / kLanes * kLanes;
  Floats value;
  for (int k = 0; k < whole; k += kLanes) {
    vector::load(row + k, value);
    value -= mean;
    vector::store(value, row + k);
  }
  for (int k = whole; k < count; ++k) row[k] -= mean;
  return mean;
}

}  // namespace

float centre(std::span<float> row) { return take_mean(row.data(), static_cast<int>(row.size())); }

void store_row(const float* values, Activations& to, int i) {
  switch (to.number()) {
    case Number::kF32:
      std::memcpy(to.row<float>(i), values, static_cast<std::size_t>(to.cols()) * sizeof(float));
      break;
    case Number::kBf16:
#if defined(__x86_64__)
      if (cpu().bf16) {
        narrow_in_hardware(values, to.cols(), to.row<Bf16>(i));
        break;
      }
#endif
      narrow(values, to.cols(), to.row<Bf16>(i));
      break;
    case Number::kInt8:
#if defined(__x86_64__)
      if (cpu().avx512) {
        keep(quantise_in_hardware(values, to.cols(), to.row<std::int8_t>(i)), to, i);
        break;
      }
#endif
      keep(quantise(values, to.cols(), to.row<std::int8_t>(i)), to, i);
      break;
  }
}

void load_row(const Activations& from, int i, float* values) {
  switch (from.number()) {
    case Number::kF32:
      std::memcpy(values, from.row<float>(i),
                  static_cast<std::size_t>(from.cols()) * sizeof(float));
      break;
    case Number::kBf16:
      widen(from.row<Bf16>(i), from.cols(), values);
      break;
    case Number::kInt8:
      throw Error(ErrorKind::kInternal, "reading a row of int8 as float32");
  }
}

void convert(const Activations& from, Number number, Activations& to) {
  to.reshape(number, from.rows(), from.cols());
#if defined(__x86_64__)
  if (from.number() == Number::kBf16 && number == Number::kInt8 && cpu().avx512) {
    for_each_range(from.rows(), 16, [&](int begin, int end) {
      for (int i = begin; i < end; ++i) {
        keep(quantise_in_hardware(from.row<Bf16>(i), from.cols(), to.row<std::int8_t>(i)), to, i);
      }
    });
    return;
  }
#endif
  for_each_range(from.rows(), 16, [&](int begin, int end) {
    std::vector<float> row(static_cast<std::size_t>(from.cols()));
    for (int i = begin; i < end; ++i) {
      if (from.number() == Number::kF32) {
        store_row(from.row<float>(i), to, i);
        continue;
      }
      load_row(from, i, row.data());
      store_row(row.data(), to, i);
    }
  });
}

void convert(const Matrix& from, Number number, Activations& to) {
  to.reshape(number, from.rows(), from.cols());
  for_each_range(from.rows(), 16, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) store_row(from.row(i).data(), to, i);
  });
}

}  // namespace pgmmr
