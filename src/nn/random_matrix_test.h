// Random inputs for the tests of fast kernels against plain ones.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "nn/matrix.h"

namespace pgmmr::test {

inline std::vector<float> random_floats(int count, std::mt19937& random, float deviation = 1) {
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

inline Matrix random_matrix(int rows, int cols, std::mt19937& random, float deviation = 1) {
  Matrix matrix(rows, cols);
  std::normal_distribution<float> normal(0, deviation);
  for (int i = 0; i < rows; ++i) {
    for (float& value : matrix.row(i)) value = normal(random);
  }
  return matrix;
}

// Infinite where the shapes differ or a value is not finite.
inline float largest_difference(const Matrix& a, const Matrix& b) {
  constexpr float kInfinite = std::numeric_limits<float>::infinity();
  if (a.rows() != b.rows() || a.cols() != b.cols()) return kInfinite;
  float largest = 0;
  for (int i = 0; i < a.rows(); ++i) {
    for (std::size_t k = 0; k < a.row(i).size(); ++k) {
      const float difference = std::abs(a.row(i)[k] - b.row(i)[k]);
      if (!std::isfinite(difference)) return kInfinite;
      largest = std::max(largest, difference);
    }
  }
  return largest;
}

}  // namespace pgmmr::test
