#include "nn/row_format.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "nn/plain.h"
#include "nn/random_matrix_test.h"

namespace pgmmr {
namespace {

Matrix read_back(const Activations& from) {
  Matrix matrix(from.rows(), from.cols());
  for (int i = 0; i < from.rows(); ++i) {
    for (int k = 0; k < from.cols(); ++k) {
      float& value = matrix.row(i)[static_cast<std::size_t>(k)];
      if (from.number() == Number::kF32) value = from.row<float>(i)[k];
      if (from.number() == Number::kBf16) value = from_bf16(from.row<Bf16>(i)[k]);
      if (from.number() == Number::kInt8) {
        value = static_cast<float>(from.row<std::int8_t>(i)[k]) * from.scales()[i];
      }
    }
  }
  return matrix;
}

TEST(RowFormat, RoundsToBf16AsThePlainVersion) {
  std::mt19937 random(1);
  for (int cols = 1; cols < 90; cols += 7) {
    const Matrix x = test::random_matrix(5, cols, random, 100);
    Activations y;
    convert(x, Number::kBf16, y);
    EXPECT_EQ(test::largest_difference(read_back(y), plain::round_to_bf16(x)), 0) << cols;
  }
}

// Half-way between two bfloat16 values, 1 + 2^-8 and 1 + 3 * 2^-8 go to the even ones.
TEST(RowFormat, RoundsTiesToEven) {
  EXPECT_EQ(from_bf16(to_bf16(1.00390625f)), 1.0f);
  EXPECT_EQ(from_bf16(to_bf16(1.01171875f)), 1.015625f);
  EXPECT_EQ(from_bf16(to_bf16(-1.00390625f)), -1.0f);
  EXPECT_TRUE(std::isnan(from_bf16(to_bf16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isnan(from_bf16(to_bf16(std::bit_cast<float>(0x7FFFFFFFu)))));
  EXPECT_TRUE(std::isinf(from_bf16(to_bf16(std::numeric_limits<float>::infinity()))));
}

TEST(RowFormat, ScalesInt8ByTheRowsLargestMagnitude) {
  std::mt19937 random(2);
  for (int cols = 1; cols < 90; cols += 7) {
    const Matrix x = test::random_matrix(5, cols, random, 3);
    Activations y;
    convert(x, Number::kInt8, y);
    const Matrix back = read_back(y);
    for (int i = 0; i < x.rows(); ++i) {
      float largest = 0;
      for (const float value : x.row(i)) largest = std::max(largest, std::abs(value));
      EXPECT_FLOAT_EQ(y.scales()[i], largest / 127);
      const auto* integers = y.row<std::int8_t>(i);
      EXPECT_EQ(y.sums()[i], std::accumulate(integers, integers + cols, 0));
      for (std::size_t k = 0; k < x.row(i).size(); ++k) {
        EXPECT_NEAR(back.row(i)[k], x.row(i)[k], largest / 127 * 0.501f);
      }
    }
  }
}

TEST(RowFormat, TakesTheMeanOut) {
  std::mt19937 random(4);
  for (int cols = 1; cols < 200; cols += 7) {
    const Matrix x = test::random_matrix(1, cols, random);
    double sum = 0;
    for (const float value : x.row(0)) sum += static_cast<double>(value);
    Matrix y = x;
    EXPECT_NEAR(centre(y.row(0)), sum / cols, 1e-6) << cols;
    for (std::size_t k = 0; k < x.row(0).size(); ++k) {
      EXPECT_NEAR(y.row(0)[k], static_cast<double>(x.row(0)[k]) - sum / cols, 1e-6) << cols;
    }
  }
}

TEST(RowFormat, KeepsZeroRowsZeroAndDamageVisible) {
  Matrix x(3, 20);
  x.row(1)[17] = std::numeric_limits<float>::quiet_NaN();
  x.row(2)[3] = -std::numeric_limits<float>::infinity();
  Activations y;
  convert(x, Number::kInt8, y);
  EXPECT_EQ(y.scales()[0], 0);
  EXPECT_EQ(y.row<std::int8_t>(0)[7], 0);
  EXPECT_FALSE(std::isfinite(y.scales()[1]));
  EXPECT_FALSE(std::isfinite(y.scales()[2]));
}

TEST(RowFormat, TakesWhatIsTooSmallToScaleForZero) {
  for (int cols = 1; cols < 90; cols += 7) {
    Matrix x(1, cols);
    for (float& value : x.row(0)) value = -1e-37f;
    Activations y;
    convert(x, Number::kInt8, y);
    EXPECT_EQ(y.sums()[0], 0);
    for (int k = 0; k < cols; ++k) EXPECT_EQ(y.row<std::int8_t>(0)[k], 0);
  }
}

TEST(RowFormat, IsReadBackAsItWasStored) {
  std::mt19937 random(3);
  const Matrix x = test::random_matrix(3, 35, random);
  for (const Number number : {Number::kF32, Number::kBf16}) {
    Activations y;
    convert(x, number, y);
    Matrix back(3, 35);
    for (int i = 0; i < 3; ++i) load_row(y, i, back.row(i).data());
    EXPECT_EQ(test::largest_difference(back, read_back(y)), 0);
  }
}

// The largest magnitude in each place of rows of many lengths.
TEST(RowFormat, QuantisesBf16AsTheFloatsThatItIs) {
  std::mt19937 random(5);
  for (int cols = 1; cols < 100; ++cols) {
    Matrix x = test::random_matrix(cols, cols, random);
    for (int i = 0; i < cols; ++i) x.row(i)[static_cast<std::size_t>(i)] = i % 2 == 0 ? 40 : -40;
    Activations halves, floats, got, want;
    convert(x, Number::kBf16, halves);
    convert(halves, Number::kF32, floats);
    convert(halves, Number::kInt8, got);
    convert(floats, Number::kInt8, want);
    for (int i = 0; i < cols; ++i) {
      ASSERT_EQ(got.scales()[i], want.scales()[i]) << i << " of " << cols;
      ASSERT_EQ(got.sums()[i], want.sums()[i]) << i << " of " << cols;
      ASSERT_TRUE(std::equal(got.row<std::int8_t>(i), got.row<std::int8_t>(i) + cols,
                             want.row<std::int8_t>(i)))
          << i << " of " << cols;
    }
  }
  Matrix bad = test::random_matrix(1, 77, random);
  bad.row(0)[50] = std::numeric_limits<float>::quiet_NaN();
  Activations halves, got;
  convert(bad, Number::kBf16, halves);
  convert(halves, Number::kInt8, got);
  EXPECT_FALSE(std::isfinite(got.scales()[0]));
}

}  // namespace
}  // namespace pgmmr
