#include "nn/plain.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace pgmmr::plain {

double quick_gelu(double x) { return x / (1 + std::exp(-1.702 * x)); }
double gelu(double x) { return x * (1 + std::erf(x / std::numbers::sqrt2)) / 2; }

Matrix linear(const Matrix& x, std::span<const float> weights, std::span<const float> bias,
              int out) {
  Matrix y(x.rows(), out);
  for (int i = 0; i < x.rows(); ++i) {
    for (int o = 0; o < out; ++o) {
      const auto row = static_cast<std::size_t>(o);
      double sum = bias.empty() ? 0 : bias[row];
      for (std::size_t k = 0; k < x.row(i).size(); ++k) {
        sum += static_cast<double>(x.row(i)[k]) * weights[row * x.row(i).size() + k];
      }
      y.row(i)[row] = static_cast<float>(sum);
    }
  }
  return y;
}

float round_to_bf16(float x) {
  // 8 bits of precision: what is left after scaling the value to 128 .. 256 and rounding it.
  int exponent = 0;
  const float fraction = std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(fraction * 256), exponent - 8);
}

Matrix round_to_bf16(const Matrix& x) {
  Matrix y = x;
  for (int i = 0; i < y.rows(); ++i) {
    for (float& value : y.row(i)) value = round_to_bf16(value);
  }
  return y;
}

Matrix round_to_int8(const Matrix& x) {
  Matrix y = x;
  for (int i = 0; i < y.rows(); ++i) {
    float largest = 0;
    for (const float value : y.row(i)) largest = std::max(largest, std::abs(value));
    if (largest == 0) continue;
    for (float& value : y.row(i)) {
      value = std::nearbyint(value * (127 / largest)) * (largest / 127);
    }
  }
  return y;
}

Matrix layer_norm(const Matrix& x, std::span<const float> weight, std::span<const float> bias,
                  double eps) {
  Matrix y(x.rows(), x.cols());
  for (int i = 0; i < x.rows(); ++i) {
    const auto row = x.row(i);
    double mean = 0, variance = 0;
    for (const float value : row) mean += value;
    mean /= x.cols();
    for (const float value : row) variance += (value - mean) * (value - mean);
    variance /= x.cols();
    for (std::size_t k = 0; k < row.size(); ++k) {
      y.row(i)[k] =
          static_cast<float>((row[k] - mean) / std::sqrt(variance + eps) * weight[k] + bias[k]);
    }
  }
  return y;
}

Matrix attention(const Matrix& queries, const Matrix& keys, const Matrix& values, int heads,
                 bool causal, int first_query) {
  Matrix out(queries.rows(), queries.cols());
  const int head_dim = queries.cols() / heads;
  for (int h = 0; h < heads; ++h) {
    for (int i = 0; i < queries.rows(); ++i) {
      const int seen = causal ? std::min(keys.rows(), first_query + i + 1) : keys.rows();
      std::vector<double> weight(static_cast<std::size_t>(seen));
      for (int j = 0; j < seen; ++j) {
        double dot = 0;
        for (int c = h * head_dim; c < (h + 1) * head_dim; ++c) {
          const auto at = static_cast<std::size_t>(c);
          dot += static_cast<double>(queries.row(i)[at]) * keys.row(j)[at];
        }
        weight[static_cast<std::size_t>(j)] = dot / std::sqrt(static_cast<double>(head_dim));
      }
      const double top = *std::max_element(weight.begin(), weight.end());
      double sum = 0;
      for (double& one : weight) sum += one = std::exp(one - top);
      for (int c = h * head_dim; c < (h + 1) * head_dim; ++c) {
        const auto at = static_cast<std::size_t>(c);
        double value = 0;
        for (int j = 0; j < seen; ++j) {
          value += weight[static_cast<std::size_t>(j)] / sum * values.row(j)[at];
        }
        out.row(i)[at] = static_cast<float>(value);
      }
    }
  }
  return out;
}

}  // namespace pgmmr::plain
