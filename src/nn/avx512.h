// For the files that are written in AVX-512's own instructions: everything between
// PGMMR_INSTRUCTIONS_BEGIN and _END is compiled for the ones named, and may run only where cpu()
// has them.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#define PGMMR_PRAGMA(...) _Pragma(#__VA_ARGS__)

#if defined(__clang__)
#define PGMMR_INSTRUCTIONS_BEGIN(names) \
  PGMMR_PRAGMA(clang attribute push(__attribute__((target(names))), apply_to = function))
#define PGMMR_INSTRUCTIONS_END PGMMR_PRAGMA(clang attribute pop)
#else
// GCC bug 105593: it takes the undefined operands of its own intrinsics for variables without
// value. The names are one literal: after a second pragma GCC 14 no longer allows 512 bits.
#define PGMMR_INSTRUCTIONS_BEGIN(names)                        \
  PGMMR_PRAGMA(GCC push_options)                               \
  PGMMR_PRAGMA(GCC target(names))                              \
  PGMMR_PRAGMA(GCC diagnostic push)                            \
  PGMMR_PRAGMA(GCC diagnostic ignored "-Wmaybe-uninitialized") \
  PGMMR_PRAGMA(GCC diagnostic ignored "-Wuninitialized")
#define PGMMR_INSTRUCTIONS_END PGMMR_PRAGMA(GCC diagnostic pop) PGMMR_PRAGMA(GCC pop_options)
#endif

namespace pgmmr::avx512 {

PGMMR_INSTRUCTIONS_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,fma")

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

PGMMR_INSTRUCTIONS_END

}  // namespace pgmmr::avx512

#endif
