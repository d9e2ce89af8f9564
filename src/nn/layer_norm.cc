#include "nn/layer_norm.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "nn/cpu.h"
#include "nn/parallel.h"
#include "nn/row_format.h"
#include "nn/vector.h"

namespace pgmmr {
namespace {

constexpr int kGrain = 8;  // rows worth a helper

// Two passes over a row: the variance as mean of squares less square of mean loses the digits that
// the tolerance counts on.
template <typename Vector>
PGMMR_INLINE void normalise_in(const float* x, int rows, int width, const float* weight,
                               const float* bias, float eps, float* y) {
  constexpr int kLanes = vector::lanes_of<Vector>();
  const int whole = width / kLanes * kLanes;
  for (int i = 0; i < rows; ++i, x += width, y += width) {
    const double sum =
        vector::sum_over<Vector>(x, width, [](auto&) __attribute__((always_inline)){});
    const auto mean = static_cast<float>(sum / width);
    const double square = vector::sum_over<Vector>(
        x, width, [mean](auto& value) __attribute__((always_inline)) {
          value -= mean;
          value *= value;
        });
    const auto scale = static_cast<float>(1 / std::sqrt(square / width + static_cast<double>(eps)));

    for (int k = 0; k < whole; k += kLanes) {
      Vector value, w, b;
      vector::load(x + k, value);
      vector::load(weight + k, w);
      vector::load(bias + k, b);
      value = (value - mean) * scale * w + b;
      vector::store(value, y + k);
    }
    for (int k = whole; k < width; ++k) y[k] = (x[k] - mean) * scale * weight[k] + bias[k];
  }
}

PGMMR_CLONES void normalise_narrow(const float* x, int rows, int width, const float* weight,
                                   const float* bias, float eps, float* y) {
  normalise_in<vector::Eight>(x, rows, width, weight, bias, eps, y);
}
PGMMR_WIDE void normalise_wide(const float* x, int rows, int width, const float* weight,
                               const float* bias, float eps, float* y) {
  normalise_in<vector::Floats>(x, rows, width, weight, bias, eps, y);
}

void normalise(const float* x, int rows, int width, const float* weight, const float* bias,
               float eps, float* y) {
  cpu().avx512 ? normalise_wide(x, rows, width, weight, bias, eps, y)
               : normalise_narrow(x, rows, width, weight, bias, eps, y);
}

}  // namespace

void LayerNorm::forward(const Matrix& x, Number number, Activations& y) const {
  check(x);
  y.reshape(number, x.rows(), x.cols());
  for_each_range(x.rows(), kGrain, [&](int begin, int end) {
    if (number == Number::kF32) {
      return normalise(x.row(begin).data(), end - begin, x.cols(), weight.data(), bias.data(), eps,
                       y.row<float>(begin));
    }
    thread_local std::vector<float> row;
    row.resize(std::max(row.size(), weight.size()));
    for (int i = begin; i < end; ++i) {
      normalise(x.row(i).data(), 1, x.cols(), weight.data(), bias.data(), eps, row.data());
      store_row(row.data(), y, i);
    }
  });
}

void LayerNorm::check(const Matrix& x) const {
  if (weight.size() != static_cast<std::size_t>(x.cols()) || bias.size() != weight.size()) {
    throw Error(ErrorKind::kInternal, "layer normalisation was given rows of another width");
  }
}

void LayerNorm::forward(const Matrix& x, Matrix& y) const {
  check(x);
  if (y.rows() != x.rows() || y.cols() != x.cols()) y = Matrix(x.rows(), x.cols());
  for_each_range(x.rows(), kGrain, [&](int begin, int end) {
    normalise(x.row(begin).data(), end - begin, x.cols(), weight.data(), bias.data(), eps,
              y.row(begin).data());
  });
}

}  // namespace pgmmr
