// A dense float32 matrix in row-major order: what the towers hand around.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace pgmmr {

class Matrix {
 public:
  Matrix() = default;
  Matrix(int rows, int cols)
      : rows_(rows), cols_(cols), values_(static_cast<std::size_t>(rows) * cols) {}

  int rows() const { return rows_; }
  int cols() const { return cols_; }
  std::span<float> row(int i) { return {values_.data() + offset(i), columns()}; }
  std::span<const float> row(int i) const { return {values_.data() + offset(i), columns()}; }
  float* data() { return values_.data(); }
  const float* data() const { return values_.data(); }

 private:
  std::size_t columns() const { return static_cast<std::size_t>(cols_); }
  std::size_t offset(int i) const { return static_cast<std::size_t>(i) * columns(); }

  int rows_ = 0;
  int cols_ = 0;
  std::vector<float> values_;
};

}  // namespace pgmmr
