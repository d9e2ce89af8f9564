// CLIP's two activations, a vector at a time.
#pragma once

#include "nn/vector.h"

namespace pgmmr::vector {

// x sigmoid(1.702 x)
template <typename Vector>
PGMMR_INLINE void quick_gelu(Vector& x) {
  // sigmoid(z) is 1 / (1 + e^-z), of -|z| so that nothing overflows.
  const Vector z = x * 1.702f;
  Vector e = z < 0.0f ? z : -z;
  exponential(e);
  const Vector above = 1.0f / (1.0f + e);
  x *= z < 0.0f ? e * above : above;
}

// x (1 + erf(x / sqrt(2))) / 2, erf by Abramowitz and Stegun 7.1.26, of |x| / sqrt(2).
template <typename Vector>
PGMMR_INLINE void gelu(Vector& x) {
  const Vector z = (x < 0.0f ? -x : x) * 0.70710678f;
  const Vector t = 1.0f / (z * 0.3275911f + 1.0f);
  Vector p = t * 1.061405429f - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  Vector e = -(z * z);
  exponential(e);
  const Vector tail = p * t * e * 0.5f;  // (1 - |erf|) / 2
  x *= x < 0.0f ? tail : 1.0f - tail;
}

}  // namespace pgmmr::vector
