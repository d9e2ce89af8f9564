// For the files whose functions use AMX: everything between PGMMR_AMX_BEGIN and PGMMR_AMX_END is
// compiled for tiles, AVX512-BF16 and what comes with them, and may run only where cpu().amx.
//
// A tile's shape is part of the CPU's state: configure() sets it for this thread, release() gives
// it up, so that a switch of threads does not save eight kilobytes.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>

#if defined(__clang__)
// clang takes one literal only.
// clang-format off
#define PGMMR_AMX_BEGIN \
  _Pragma("clang attribute push(__attribute__((target(\"amx-tile,amx-bf16,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma\"))), apply_to = function)")
// clang-format on
#define PGMMR_AMX_END _Pragma("clang attribute pop")
#else
// GCC bug 105593: it takes the undefined operands of its own intrinsics for variables without
// value. The targets are one literal: after a second pragma GCC 14 no longer allows 512 bits.
// clang-format off
#define PGMMR_AMX_BEGIN \
  _Pragma("GCC push_options") \
  _Pragma("GCC target(\"amx-tile,amx-bf16,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma\")") \
  _Pragma("GCC diagnostic push") \
  _Pragma("GCC diagnostic ignored \"-Wmaybe-uninitialized\"") \
  _Pragma("GCC diagnostic ignored \"-Wuninitialized\"")
// clang-format on
#define PGMMR_AMX_END _Pragma("GCC diagnostic pop") _Pragma("GCC pop_options")
#endif

namespace pgmmr::amx {

constexpr int kTileRows = 16;
constexpr int kTileBytes = 64;  // a row of a tile: 32 bf16, 64 int8 or 16 sums

// Tiles 0 to 3 are sums, 0 and 1 of the upper rows, 2 and 3 of the lower; 4 and 5 are upper and
// lower rows; 6 and 7 are weights.
struct alignas(64) Configuration {
  Configuration(int upper, int lower) {
    for (int tile = 0; tile < 8; ++tile) {
      row_bytes[tile] = kTileBytes;
      const bool is_lower = tile == 2 || tile == 3 || tile == 5;
      const int wanted = tile >= 6 ? kTileRows : is_lower ? lower : upper;
      rows[tile] = static_cast<std::uint8_t>(wanted > 0 ? wanted : 1);  // none is a fault
    }
  }
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

PGMMR_AMX_BEGIN

// 2^x, to 4e-5 of itself: enough where bf16 follows.
inline __m512 power_of_two(__m512 x) {
  const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_sub_ps(x, whole);
  __m512 p = _mm512_fmadd_ps(r, _mm512_set1_ps(9.6181291e-3f), _mm512_set1_ps(5.5504109e-2f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.4022651e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.9314718e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, whole);
}

PGMMR_AMX_END

}  // namespace pgmmr::amx

#endif
