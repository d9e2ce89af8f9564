#include "nn/dequantise.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "nn/plain.h"
#include "nn/random_matrix_test.h"

namespace pgmmr {
namespace {

TEST(Dequantise, EqualsThePlainFormulaOnRandomRows) {
  std::mt19937 random(1);
  for (int count = 1; count < 60; ++count) {
    for (int e = 0; e < 4; ++e) {
      const auto epilogue = static_cast<Epilogue>(e);
      std::vector<std::int32_t> sums;
      for (int i = 0; i < count; ++i) {
        sums.push_back(std::uniform_int_distribution<std::int32_t>(-2'000'000, 2'000'000)(random));
      }
      const auto scales = test::random_floats(count, random, 1e-3f);
      const auto bias = test::random_floats(count, random);
      const bool biased = count % 3 > 0;
      const auto before = test::random_floats(count, random);
      const Int8Sums from{sums.data(), 0.02f, scales.data(), biased ? bias.data() : nullptr, count};
      std::vector<float> floats = before;
      dequantise(from, epilogue, floats.data());
      std::vector<Bf16> halves(static_cast<std::size_t>(count));
      if (epilogue != Epilogue::kAdd) dequantise(from, epilogue, halves.data());
      for (std::size_t i = 0; i < floats.size(); ++i) {
        double want = static_cast<double>(sums[i]) * 0.02f * scales[i] + (biased ? bias[i] : 0);
        if (epilogue == Epilogue::kAdd) want += before[i];
        if (epilogue == Epilogue::kQuickGelu) want = plain::quick_gelu(want);
        if (epilogue == Epilogue::kGelu) want = plain::gelu(want);
        const double tolerance = 2e-6 * (1 + std::abs(want)) * 3;
        ASSERT_NEAR(floats[i], want, tolerance) << "epilogue " << e << ", " << i << " of " << count;
        if (epilogue == Epilogue::kAdd) continue;
        ASSERT_NEAR(from_bf16(halves[i]), want, tolerance + std::abs(want) / 256);
      }
    }
  }
}

}  // namespace
}  // namespace pgmmr
