// GELU for results that are rounded to bf16 or int8: half of x, and its size times a polynomial of
// degree two, whose coefficients are looked up.
#pragma once

namespace pgmmr::panel {

// x s(x) for a sigmoid s, that is x / 2 + |x| p(|x|), where p(u) = c0 + c1 u + c2 u^2 is s(u) - 1/2
// in 32 segments: the first around 0, the last, of 1/2, from 30.5 widths on.
struct GeluSegments {
  static constexpr int kCount = 32;
  alignas(64) float c0[kCount], c1[kCount], c2[kCount];
  float per_unit;  // segments
  float largest;   // that is looked up
};

extern const GeluSegments kQuickGeluSegments;  // s(u) = 1 / (1 + e^(-1.702 u)), to 3e-5
extern const GeluSegments kGeluSegments;       // s(u) = (1 + erf(u / sqrt(2))) / 2, to 7e-6

}  // namespace pgmmr::panel
