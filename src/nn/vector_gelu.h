// CLIP's two activations, sixteen values at a time.
#pragma once

#include "nn/vector.h"

namespace pgmmr::vector {

// x sigmoid(1.702 x)
PGMMR_INLINE void quick_gelu(Floats& x) {
  // sigmoid(z) is 1 / (1 + e^-z), of -|z| so that nothing overflows.
  const Floats z = x * 1.702f;
  Floats e = z < 0.0f ? z : -z;
  exponential(e);
  const Floats above = 1.0f / (1.0f + e);
  x *= z < 0.0f ? e * above : above;
}

// x (1 + erf(x / sqrt(2))) / 2, erf by Abramowitz and Stegun 7.1.26, of |x| / sqrt(2).
PGMMR_INLINE void gelu(Floats& x) {
  const Floats z = (x < 0.0f ? -x : x) * 0.70710678f;
  const Floats t = 1.0f / (z * 0.3275911f + 1.0f);
  Floats p = t * 1.061405429f - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  Floats e = -(z * z);
  exponential(e);
  const Floats tail = p * t * e * 0.5f;  // (1 - |erf|) / 2
  x *= x < 0.0f ? tail : 1.0f - tail;
}

}  // namespace pgmmr::vector
