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

template <typename Vector>
void expect_every_lane_counts() {
  constexpr int kLanes = vector::lanes_of<Vector>();
  for (int lane = 0; lane < kLanes; ++lane) {
    Vector x = Vector{} - 2;
    x[lane] = 5;
    EXPECT_EQ(vector::sum_of(x), 5 - 2 * (kLanes - 1)) << lane;
    EXPECT_EQ(vector::largest_of(x), 5) << lane;
  }
}

TEST(Vector, SumAndLargestTakeEveryLaneOnce) {
  expect_every_lane_counts<vector::Floats>();
  expect_every_lane_counts<vector::Eight>();
}

TEST(Vector, SetFromLeavesTheLanesBefore) {
  for (int first = -3; first <= vector::kLanes + 3; ++first) {
    vector::Floats x = vector::Floats{} + 1;
    vector::set_from(first, 7, x);
    for (int lane = 0; lane < vector::kLanes; ++lane) EXPECT_EQ(x[lane], lane < first ? 1 : 7);
  }
}

}  // namespace
}  // namespace pgmmr
