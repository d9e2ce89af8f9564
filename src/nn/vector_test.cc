#include "nn/vector.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace pgmmr {
namespace {

float exponential_of(float x) {
  vector::Floats lanes = vector::Floats{} + x;
  vector::exponential(lanes);
  return lanes[3];
}

TEST(Vector, ExponentialIsTheLibrarysToTwoUnitsInTheLastPlace) {
  for (float x = 0; x > -79.9F; x -= 0.0137F) {
    const float want = std::exp(x);
    EXPECT_NEAR(exponential_of(x), want, 3 * std::numeric_limits<float>::epsilon() * want) << x;
  }
}

TEST(Vector, WhatASoftmaxLeavesOutIsZeroAndNeverDenormal) {
  for (const float x : {-80.1F, -87.0F, -1000.0F, -std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(exponential_of(x), 0) << x;
  }
  EXPECT_GE(exponential_of(-80.0F) / 1500, std::numeric_limits<float>::min());
}

}  // namespace
}  // namespace pgmmr
