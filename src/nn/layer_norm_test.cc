#include "nn/layer_norm.h"

#include <gtest/gtest.h>

#include <random>

#include "nn/plain.h"
#include "nn/random_matrix_test.h"

namespace pgmmr {
namespace {

TEST(LayerNorm, EqualsThePlainVersionOnRandomWidths) {
  std::mt19937 random(4);
  for (int round = 0; round < 40; ++round) {
    const int width = std::uniform_int_distribution<int>(1, 200)(random);
    LayerNorm norm;
    norm.weight = test::random_floats(width, random);
    norm.bias = test::random_floats(width, random);
    Matrix x = test::random_matrix(7, width, random, 3), y;
    for (int i = 0; i < x.rows(); ++i) {
      for (float& value : x.row(i)) value += 5;  // far from zero, where a one-pass variance fails
    }
    norm.forward(x, y);
    const Matrix want = plain::layer_norm(x, norm.weight, norm.bias, 1e-5f);
    EXPECT_LT(test::largest_difference(y, want), 1e-5f) << "width " << width;
  }
}

TEST(LayerNorm, MayWriteOverItsInput) {
  std::mt19937 random(5);
  LayerNorm norm{test::random_floats(33, random), test::random_floats(33, random)};
  Matrix x = test::random_matrix(3, 33, random);
  Matrix y;
  norm.forward(x, y);
  norm.forward(x, x);
  EXPECT_EQ(test::largest_difference(x, y), 0);
}

}  // namespace
}  // namespace pgmmr
