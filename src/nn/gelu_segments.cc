#include "nn/gelu_segments.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pgmmr::panel {
namespace {

// Through three points of each segment, Chebyshev's.
template <typename Sigmoid>
GeluSegments segments_of(const Sigmoid& sigmoid, double width) {
  GeluSegments segments{};
  segments.per_unit = static_cast<float>(1 / width);
  segments.largest = static_cast<float>((GeluSegments::kCount - 0.6) * width);
  const int last = GeluSegments::kCount - 1;
  for (int i = 0; i < last; ++i) {
    const double low = std::max(i - 0.5, 0.0) * width, high = (i + 0.5) * width;
    double u[3], s[3];
    for (int k = 0; k < 3; ++k) {
      const double node = std::cos(std::numbers::pi * (2 * k + 1) / 6);
      u[k] = (low + high) / 2 + (high - low) / 2 * node;
      s[k] = sigmoid(u[k]) - 0.5;
    }
    const double slope = (s[1] - s[0]) / (u[1] - u[0]), next_slope = (s[2] - s[1]) / (u[2] - u[1]);
    const double bend = (next_slope - slope) / (u[2] - u[0]);  // Newton's form
    segments.c0[i] = static_cast<float>(s[0] - slope * u[0] + bend * u[0] * u[1]);
    segments.c1[i] = static_cast<float>(slope - bend * (u[0] + u[1]));
    segments.c2[i] = static_cast<float>(bend);
  }
  segments.c0[last] = 0.5f;
  return segments;
}

}  // namespace

// The widths make what a segment errs by about what the last one does.
const GeluSegments kQuickGeluSegments =
    segments_of([](double u) { return 1 / (1 + std::exp(-1.702 * u)); }, 0.21);
const GeluSegments kGeluSegments =
    segments_of([](double u) { return std::erfc(-u / std::numbers::sqrt2) / 2; }, 0.145);

}  // namespace pgmmr::panel
