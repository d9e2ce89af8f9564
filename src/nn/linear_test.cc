#include "nn/linear.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>

#include "nn/plain.h"
#include "nn/random_matrix_test.h"

namespace pgmmr {
namespace {

using test::random_floats;
using test::random_matrix;

Matrix expected(const Matrix& x, std::span<const float> weights, std::span<const float> bias,
                int out, Epilogue epilogue, const Matrix& before) {
  Matrix y = plain::linear(x, weights, bias, out);
  for (int i = 0; i < y.rows(); ++i) {
    for (std::size_t k = 0; k < y.row(i).size(); ++k) {
      float& value = y.row(i)[k];
      if (epilogue == Epilogue::kAdd) value += before.row(i)[k];
      if (epilogue == Epilogue::kQuickGelu) value = static_cast<float>(plain::quick_gelu(value));
      if (epilogue == Epilogue::kGelu) value = static_cast<float>(plain::gelu(value));
    }
  }
  return y;
}

// Sums of k products of values around 1 and 1/sqrt(k): float32 keeps them to about 1e-6.
constexpr float kTolerance = 5e-6f;

TEST(Linear, EqualsThePlainVersionOnRandomShapes) {
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    const auto draw = [&](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    const int in = draw(1, 130), out = draw(1, 130), rows = draw(1, 70);
    const auto epilogue = static_cast<Epilogue>(round % 4);
    const auto weights = random_floats(in * out, random, 1 / std::sqrt(static_cast<float>(in)));
    const auto bias = random_floats(round % 3 == 0 ? 0 : out, random);
    const Matrix x = random_matrix(rows, in, random);
    Matrix y = random_matrix(rows, out, random);
    const Matrix want = expected(x, weights, bias, out, epilogue, y);
    Linear(in, out, weights, bias, epilogue).forward(x, y);
    EXPECT_LT(test::largest_difference(y, want), kTolerance)
        << rows << " x " << in << " -> " << out << ", epilogue " << round % 4;
  }
}

TEST(Linear, GeluIsTheExactOneOverTheWholeRange) {
  Matrix x(1, 4001), y;
  for (int i = 0; i < 4001; ++i)
    x.row(0)[static_cast<std::size_t>(i)] = 0.005f * static_cast<float>(i - 2000);
  for (const Epilogue epilogue : {Epilogue::kGelu, Epilogue::kQuickGelu}) {
    // One input and one output at a time: the identity, then the activation.
    const std::vector<float> one = {1};
    Matrix column(x.cols(), 1);
    for (int i = 0; i < x.cols(); ++i) column.row(i)[0] = x.row(0)[static_cast<std::size_t>(i)];
    Linear(1, 1, one, {}, epilogue).forward(column, y);
    for (int i = 0; i < x.cols(); ++i) {
      const double at = column.row(i)[0];
      const double want = epilogue == Epilogue::kGelu ? plain::gelu(at) : plain::quick_gelu(at);
      ASSERT_NEAR(y.row(i)[0], want, 2e-6) << "at " << at;
    }
  }
}

TEST(Linear, GivesTheSameFromManyThreadsAtOnce) {
  std::mt19937 random(2);
  const auto weights = random_floats(96 * 200, random, 0.1f);
  const auto bias = random_floats(200, random);
  const Linear layer(96, 200, weights, bias, Epilogue::kQuickGelu);
  std::vector<Matrix> inputs, outputs(8), wanted;
  for (int i = 0; i < 8; ++i) {
    inputs.push_back(random_matrix(1 + 5 * i, 96, random));
    wanted.push_back(expected(inputs.back(), weights, bias, 200, Epilogue::kQuickGelu, {}));
  }
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int repeat = 0; repeat < 20; ++repeat) layer.forward(inputs[t], outputs[t]);
    });
  }
  threads.clear();
  for (std::size_t t = 0; t < 8; ++t) {
    EXPECT_LT(test::largest_difference(outputs[t], wanted[t]), kTolerance) << "thread " << t;
  }
}

}  // namespace
}  // namespace pgmmr
