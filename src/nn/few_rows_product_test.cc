#include "nn/few_rows_product.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

#include "nn/cpu.h"
#include "nn/f16.h"
#include "nn/parallel.h"
#include "nn/random_matrix_test.h"
#include "nn/row_format.h"

namespace pgmmr {
namespace {

struct Free {
  void operator()(std::byte* p) const { std::free(p); }
};

Matrix product(few_rows::Layer layer, bool f16, const std::vector<float>& weights,
               const Matrix& rows) {
  layer.f16_weights = f16;
  const std::size_t bytes = (few_rows::packed_bytes(layer) + 63) / 64 * 64;
  const std::unique_ptr<std::byte, Free> packed(
      static_cast<std::byte*>(std::aligned_alloc(64, bytes)));
  few_rows::pack(layer, weights.data(), packed.get());
  Activations x;
  convert(rows, Number::kF32, x);
  Matrix y(rows.rows(), layer.out);
  few_rows::multiply(layer, {.packed = packed.get(), .x = &x, .floats = y.data()});
  return y;
}

std::vector<float> every_finite_half() {
  std::vector<float> values;
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const float value = from_f16({static_cast<std::uint16_t>(bits)});
    if (std::isfinite(value)) values.push_back(value);
  }
  return values;
}

TEST(F16, TakesEveryHalfFloatBackAndNothingElse) {
  for (const float value : every_finite_half()) {
    const auto half = exact_f16(value);
    ASSERT_TRUE(half) << value;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(from_f16(*half)), std::bit_cast<std::uint32_t>(value));
    const float next = std::nextafter(value, 1e9f);
    ASSERT_FALSE(exact_f16(next)) << next;
  }
  for (const float value :
       {0.1f, 0x1p16f, 65520.0f, -1e30f, 0x1p-25f, 0x3p-26f,
        std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_FALSE(exact_f16(value)) << value;
  }
}

class FewRowsOfHalves : public testing::Test {
 protected:
  void SetUp() override {
    if (!cpu().f16c) GTEST_SKIP() << "weights stay float32 with " << cpu().isa;
  }
};

TEST_F(FewRowsOfHalves, AreChosenWhereAllWeightsFit) {
  EXPECT_TRUE(few_rows::fit_f16(every_finite_half()));
  EXPECT_FALSE(few_rows::fit_f16(std::vector<float>{0.5f, 0.1f}));
}

// One input that is 1: the products are the weights. Many rows read weights that were widened.
TEST_F(FewRowsOfHalves, MultiplyByEveryHalfFloat) {
  const std::vector<float> weights = every_finite_half();
  for (const int rows : {1, 7, 60}) {
    Matrix ones(rows, 1);
    for (int i = 0; i < rows; ++i) ones.row(i)[0] = 1;
    const Matrix y =
        product({.in = 1, .out = static_cast<int>(weights.size()), .number = Number::kF32}, true,
                weights, ones);
    for (int i = 0; i < rows; ++i) {
      for (std::size_t k = 0; k < weights.size(); ++k) ASSERT_EQ(y.row(i)[k], weights[k]);
    }
  }
}

TEST_F(FewRowsOfHalves, GiveExactlyWhatTheSameWeightsGiveAsFloats) {
  std::mt19937 random(11);
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 60; ++round) {
    const Helpers helpers(1 + round % 2);
    const few_rows::Layer layer{.in = draw(1, round % 10 == 0 ? 2048 : 300),
                                .out = draw(1, 300),
                                .number = Number::kF32,
                                .epilogue = static_cast<Epilogue>(round % 4)};
    std::vector<float> weights = test::random_floats(layer.in * layer.out, random, 0.1f);
    for (float& weight : weights) weight = std::nearbyint(weight * 1024) / 1024;
    ASSERT_TRUE(few_rows::fit_f16(weights));  // none is near 2
    const Matrix x = test::random_matrix(draw(1, 90), layer.in, random);
    EXPECT_EQ(test::largest_difference(product(layer, true, weights, x),
                                       product(layer, false, weights, x)),
              0)
        << x.rows() << " x " << layer.in << " -> " << layer.out;
  }
}

}  // namespace
}  // namespace pgmmr
