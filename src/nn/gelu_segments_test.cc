#include "nn/gelu_segments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "nn/plain.h"

namespace pgmmr::panel {
namespace {

// The largest error of x / 2 + |x| p(|x|), as a share of |x|.
template <typename Gelu>
double largest_error(const GeluSegments& segments, const Gelu& gelu) {
  double largest = 0;
  for (int i = 1; i < 40'000; ++i) {
    const double u = i * 0.0005;
    const double within = std::min(u, static_cast<double>(segments.largest));
    const auto segment = static_cast<int>(std::lround(within * segments.per_unit));
    EXPECT_LT(segment, GeluSegments::kCount);
    const double p =
        segments.c0[segment] + within * (segments.c1[segment] + within * segments.c2[segment]);
    for (const double x : {u, -u}) {
      largest = std::max(largest, std::abs(x / 2 + u * p - gelu(x)) / u);
    }
  }
  return largest;
}

TEST(GeluSegments, ComeCloserThanBf16) {
  EXPECT_LT(largest_error(kQuickGeluSegments, plain::quick_gelu), 3e-5);
  EXPECT_LT(largest_error(kGeluSegments, plain::gelu), 7e-6);
}

}  // namespace
}  // namespace pgmmr::panel
