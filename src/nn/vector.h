// Sixteen floats at a time, in the instructions of the CPU the program runs on.
//
// The compiler lowers the vector type to what each clone may use: one AVX-512 register, two of
// AVX2, four of SSE2 or NEON (base/clones.h). What GCC lowers to several registers passes through
// memory, though: where most of the time goes, a function exists twice instead, for Floats on
// AVX-512 and for Eight else. Vectors are passed by reference: by value they would have an ABI that
// depends on the instructions.
#pragma once

#include <cstdint>

#include "base/clones.h"
#include "nn/activations.h"
#include "nn/f16.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// For the version with Floats of a function that exists twice; called where cpu().avx512.
#if defined(__x86_64__)
#define PGMMR_WIDE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#else
#define PGMMR_WIDE
#endif

// The same with Eight where cpu().f16c.
#if defined(__x86_64__)
#define PGMMR_F16C __attribute__((target("avx2,fma,f16c")))
#else
#define PGMMR_F16C
#endif

// Before a loop over an array of accumulators with a bound known when compiling: only unrolled it
// lives in registers, and GCC 12 at -O2 leaves it in memory, at a tenth of the speed.
#if defined(__clang__)
#define PGMMR_UNROLL _Pragma("unroll")
#else
#define PGMMR_UNROLL _Pragma("GCC unroll 16")
#endif

namespace pgmmr::vector {

constexpr int kLanes = 16;
typedef float Floats __attribute__((vector_size(64)));
typedef float Eight __attribute__((vector_size(32)));
typedef float Four __attribute__((vector_size(16)));
typedef std::int32_t Ints __attribute__((vector_size(64)));
typedef std::uint16_t Halves __attribute__((vector_size(32)));
typedef std::int8_t Bytes __attribute__((vector_size(16)));
typedef float UnalignedFloats __attribute__((vector_size(64), aligned(4), may_alias));
typedef float UnalignedEight __attribute__((vector_size(32), aligned(4), may_alias));
typedef std::uint16_t UnalignedHalves __attribute__((vector_size(32), aligned(2), may_alias));
typedef std::int32_t UnalignedInts __attribute__((vector_size(64), aligned(4), may_alias));
typedef std::int8_t UnalignedBytes __attribute__((vector_size(16), aligned(1), may_alias));

PGMMR_INLINE void load(const float* from, Floats& to) {
  to = *reinterpret_cast<const UnalignedFloats*>(from);
}
PGMMR_INLINE void store(const Floats& from, float* to) {
  *reinterpret_cast<UnalignedFloats*>(to) = from;
}

PGMMR_INLINE void load(const float* from, Eight& to) {
  to = *reinterpret_cast<const UnalignedEight*>(from);
}
PGMMR_INLINE void store(const Eight& from, float* to) {
  *reinterpret_cast<UnalignedEight*>(to) = from;
}

template <typename Vector>
constexpr int lanes_of() {
  return static_cast<int>(sizeof(Vector) / sizeof(float));
}

PGMMR_INLINE void load(const std::int32_t* from, Floats& to) {
  to = __builtin_convertvector(*reinterpret_cast<const UnalignedInts*>(from), Floats);
}

// bfloat16 is the upper half of a float32; narrowing rounds to the nearest, ties to even, and keeps
// NaN a NaN.
PGMMR_INLINE void load(const Bf16* from, Floats& to) {
  const Halves halves = *reinterpret_cast<const UnalignedHalves*>(from);
  to = reinterpret_cast<Floats>(__builtin_convertvector(halves, Ints) << 16);
}
PGMMR_INLINE void store(const Floats& from, Bf16* to) {
  const Ints bits = reinterpret_cast<Ints>(from);
  const Ints rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  const Ints kept = from == from ? rounded : (bits >> 16) | 0x40;
  *reinterpret_cast<UnalignedHalves*>(to) = __builtin_convertvector(kept, Halves);
}

// Half floats, exactly: only where the function that this is inlined into has the instruction.
#if defined(__x86_64__) && !defined(__clang__)
// The intrinsics return vectors by value, but inlined that is no ABI.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"
typedef short EightShorts __attribute__((vector_size(16)));
typedef short Shorts __attribute__((vector_size(32)));
typedef short UnalignedEightShorts __attribute__((vector_size(16), aligned(2), may_alias));
typedef short UnalignedShorts __attribute__((vector_size(32), aligned(2), may_alias));
PGMMR_INLINE void load(const F16* from, Eight& to) {
  const EightShorts bits = *reinterpret_cast<const UnalignedEightShorts*>(from);
  to = __builtin_ia32_vcvtph2ps256(bits);
}
PGMMR_INLINE void load(const F16* from, Floats& to) {
  const Shorts bits = *reinterpret_cast<const UnalignedShorts*>(from);
  to = __builtin_ia32_vcvtph2ps512_mask(bits, Floats{}, -1, _MM_FROUND_CUR_DIRECTION);
}
#pragma GCC diagnostic pop
#else
template <typename Vector>
PGMMR_INLINE void load(const F16* from, Vector& to) {
  for (int i = 0; i < lanes_of<Vector>(); ++i) to[i] = from_f16(from[i]);
}
#endif

// The nearest integers of -127 .. 127.
PGMMR_INLINE void store(const Floats& from, std::int8_t* to) {
  // The sum's last bits are the integer: its unit in the last place is 1.
  const Floats shifted = from + 0x1.8p23f;
  *reinterpret_cast<UnalignedBytes*>(to) =
      __builtin_convertvector(reinterpret_cast<Ints>(shifted), Bytes);
}

// The lanes from lane `first` on become value.
template <typename Vector>
PGMMR_INLINE void set_from(int first, float value, Vector& x) {
  using Integers = decltype(x < x);
  Integers lanes;
  for (int i = 0; i < lanes_of<Vector>(); ++i) lanes[i] = i;
  x = lanes < first ? x : Vector{} + value;
}

// All lanes joined, half by half; join(a, b) leaves its result in a.
template <typename Join>
PGMMR_INLINE float fold(const Eight& x, const Join& join) {
  Four a = __builtin_shufflevector(x, x, 0, 1, 2, 3);
  join(a, __builtin_shufflevector(x, x, 4, 5, 6, 7));
  join(a, __builtin_shufflevector(a, a, 2, 3, 2, 3));
  join(a, __builtin_shufflevector(a, a, 1, 1, 1, 1));
  return a[0];
}
template <typename Join>
PGMMR_INLINE float fold(const Floats& x, const Join& join) {
  Eight a = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7);
  join(a, __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15));
  return fold(a, join);
}

template <typename Vector>
PGMMR_INLINE float sum_of(const Vector& x) {
  return fold(
      x, [](auto& a, const auto& b) __attribute__((always_inline)) { a += b; });
}
template <typename Vector>
PGMMR_INLINE float largest_of(const Vector& x) {
  return fold(
      x, [](auto& a, const auto& b) __attribute__((always_inline)) { a = b > a ? b : a; });
}

// The sum of term(vector, or float) over a row, in four chains, so that an addition need not wait
// for the one before.
template <typename Vector, typename Term>
PGMMR_INLINE double sum_over(const float* x, int width, const Term& term) {
  constexpr int kOwnLanes = lanes_of<Vector>(), kChains = 4;
  Vector sums[kChains] = {}, value;
  int k = 0;
  for (; k + kChains * kOwnLanes <= width; k += kChains * kOwnLanes) {
    PGMMR_UNROLL
    for (int chain = 0; chain < kChains; ++chain) {
      load(x + k + chain * kOwnLanes, value);
      term(value);
      sums[chain] += value;
    }
  }
  for (; k + kOwnLanes <= width; k += kOwnLanes) {
    load(x + k, value);
    term(value);
    sums[0] += value;
  }
  const Vector all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  auto sum = static_cast<double>(sum_of(all));
  for (; k < width; ++k) {
    float one = x[k];
    term(one);
    sum += static_cast<double>(one);
  }
  return sum;
}

// e^x for x <= 0, to 2 units in the last place: Cephes expf, x = n ln 2 + r, a polynomial in r.
// Below e^-80 it is zero, so that no share of a softmax over less than 1,500 values is denormal:
// the CPU takes a hundred cycles to multiply such a number.
template <typename Vector>
PGMMR_INLINE void exponential(Vector& x) {
  using Integers = decltype(x < x);
  constexpr float kLowest = -80.0f;
  const Vector lowest = Vector{} + kLowest;
  const Integers vanishes = x < lowest;
  x = vanishes ? lowest : x;
  // Rounds towards zero.
  const Integers n = __builtin_convertvector(x * 1.44269504f - 0.5f, Integers);
  const Vector whole = __builtin_convertvector(n, Vector);
  const Vector r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  Vector p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  x = p * reinterpret_cast<Vector>((n + 127) << 23);
  x = vanishes ? Vector{} : x;
}

constexpr int round_up(int n) { return (n + kLanes - 1) / kLanes * kLanes; }

}  // namespace pgmmr::vector
