#include "nn/linear.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <string>
#include <thread>

#include "base/error.h"
#include "nn/cpu.h"
#include "nn/parallel.h"
#include "nn/plain.h"
#include "nn/random_matrix_test.h"
#include "nn/row_format.h"

namespace pgmmr {
namespace {

using test::random_floats;
using test::random_matrix;

struct Case {
  Linear::Shape shape;
  Linear::Weights weights;
  Matrix x, before;  // before: what the result is added to
};

// To what half floats hold, as those of most checkpoints are: float32's few rows read them as such.
void round_to_f16(std::vector<float>& weights) {
  for (float& weight : weights) weight = std::nearbyint(weight * 0x1p10f) * 0x1p-10f;
}

Case random_case(std::mt19937& random, Precision precision, Epilogue epilogue, int largest,
                 int most_rows) {
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  Case one;
  one.shape = {.in = draw(1, largest),
               .out = draw(1, largest),
               .bias = draw(0, 2) > 0,
               .epilogue = epilogue,
               .precision = precision};
  one.weights.weights = random_floats(one.shape.in * one.shape.out, random,
                                      1 / std::sqrt(static_cast<float>(one.shape.in)));
  if (precision == Precision::kF32 && one.shape.in % 2 == 1) round_to_f16(one.weights.weights);
  if (one.shape.bias) one.weights.bias = random_floats(one.shape.out, random);
  const int rows = draw(1, most_rows);
  one.shape.many_rows = rows % 2 == 0;
  one.x = random_matrix(rows, one.shape.in, random);
  one.before = random_matrix(rows, one.shape.out, random);
  return one;
}

Matrix as_matrix(const std::vector<float>& values, int rows, int cols) {
  Matrix matrix(rows, cols);
  std::copy(values.begin(), values.end(), matrix.data());
  return matrix;
}

// What is left of a row's numbers in that precision.
Matrix rounded(const Matrix& x, Precision precision) {
  return precision == Precision::kBf16   ? plain::round_to_bf16(x)
         : precision == Precision::kInt8 ? plain::round_to_int8(x)
                                         : x;
}

// In double precision, from what is left of weights and input after rounding.
Matrix expected(const Case& one) {
  const Matrix x = rounded(one.x, one.shape.precision);
  const Matrix weights =
      rounded(as_matrix(one.weights.weights, one.shape.out, one.shape.in), one.shape.precision);
  const auto count =
      static_cast<std::size_t>(weights.rows()) * static_cast<std::size_t>(weights.cols());
  Matrix y = plain::linear(x, {weights.data(), count}, one.weights.bias, one.shape.out);
  for (int i = 0; i < y.rows(); ++i) {
    for (std::size_t k = 0; k < y.row(i).size(); ++k) {
      float& value = y.row(i)[k];
      if (one.shape.epilogue == Epilogue::kAdd) value += one.before.row(i)[k];
      if (one.shape.epilogue == Epilogue::kQuickGelu) {
        value = static_cast<float>(plain::quick_gelu(value));
      }
      if (one.shape.epilogue == Epilogue::kGelu) value = static_cast<float>(plain::gelu(value));
    }
  }
  return y;
}

Matrix computed(const Case& one) {
  const Linear layer(one.shape, one.weights);
  Activations x;
  convert(one.x, layer.input(), x);
  Matrix y = one.before;
  layer.forward(x, y);
  return y;
}

Matrix computed_between_layers(const Case& one) {
  const Linear layer(one.shape, one.weights);
  Activations x, y;
  convert(one.x, layer.input(), x);
  layer.forward(x, y);
  Matrix result(y.rows(), y.cols());
  for (int i = 0; i < y.rows(); ++i) load_row(y, i, result.row(i).data());
  return result;
}

std::string describe(const Case& one) {
  return std::to_string(one.x.rows()) + " x " + std::to_string(one.shape.in) + " -> " +
         std::to_string(one.shape.out) + ", epilogue " +
         std::to_string(static_cast<int>(one.shape.epilogue)) + " in " +
         std::string(name_of(one.shape.precision));
}

bool usable(Precision precision) {
  try {
    usable_precision(precision);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Sums of k products of values around 1 and 1/sqrt(k): float32 keeps them to about 1e-6.
// Activations on tiles are approximated to a tenth of what bf16 keeps. A value whose integer lies
// half-way may be rounded to the other side, which a sum of products of 1/127ths shows.
float tolerance(const Linear::Shape& shape) {
  const bool activates =
      shape.epilogue == Epilogue::kQuickGelu || shape.epilogue == Epilogue::kGelu;
  switch (shape.precision) {
    case Precision::kBf16:
      return activates ? 5e-4f : 1e-5f;
    case Precision::kInt8:
      return 0.03f / std::sqrt(static_cast<float>(shape.in)) + 1e-3f;
    default:
      return 5e-6f;
  }
}

class LinearIn : public testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    if (!usable(GetParam())) GTEST_SKIP() << "not with " << cpu().isa;
  }
};

TEST_P(LinearIn, EqualsThePlainVersionOnRandomShapes) {
  std::mt19937 random(1);
  for (int round = 0; round < 80; ++round) {
    const Case one = random_case(random, GetParam(), static_cast<Epilogue>(round % 4), 200, 80);
    EXPECT_LT(test::largest_difference(computed(one), expected(one)), tolerance(one.shape))
        << describe(one);
  }
}

// More inputs than are multiplied at a time.
TEST_P(LinearIn, EqualsThePlainVersionOnLongRows) {
  std::mt19937 random(7);
  for (const int in : {768, 769, 1537, 3072}) {
    for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kAdd}) {
      Case one = random_case(random, GetParam(), epilogue, 40, 90);
      one.shape.in = in;
      one.weights.weights =
          random_floats(in * one.shape.out, random, 1 / std::sqrt(static_cast<float>(in)));
      one.x = random_matrix(one.x.rows(), in, random);
      EXPECT_LT(test::largest_difference(computed(one), expected(one)), tolerance(one.shape))
          << describe(one);
    }
  }
}

// As many outputs as are cut into slices, one core for each or all on this one.
TEST_P(LinearIn, EqualsThePlainVersionOnManyOutputs) {
  std::mt19937 random(8);
  for (const int threads : {1, 3}) {
    const Helpers helpers(threads);
    for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kAdd, Epilogue::kQuickGelu}) {
      for (const int out : {768, 1024, 1040}) {
        Case one = random_case(random, GetParam(), epilogue, 100, 70);
        one.shape.out = out;
        one.shape.many_rows = out != 1040;
        one.weights.weights = random_floats(one.shape.in * out, random,
                                            1 / std::sqrt(static_cast<float>(one.shape.in)));
        if (one.shape.bias) one.weights.bias = random_floats(out, random);
        one.before = random_matrix(one.x.rows(), out, random);
        // Twice: an integer that was rounded to the other side meets the largest of many weights.
        EXPECT_LT(test::largest_difference(computed(one), expected(one)), 2 * tolerance(one.shape))
            << describe(one);
      }
    }
  }
}

TEST_P(LinearIn, GivesTheNextLayerTheSameInItsForm) {
  std::mt19937 random(2);
  for (int round = 0; round < 40; ++round) {
    const Epilogue epilogues[] = {Epilogue::kStore, Epilogue::kQuickGelu, Epilogue::kGelu};
    const Case one = random_case(random, GetParam(), epilogues[round % 3], 150, 50);
    const Matrix got = computed_between_layers(one), want = expected(one);
    ASSERT_EQ(got.rows(), want.rows());
    const bool halves = between_layers(GetParam()) == Number::kBf16;
    for (int i = 0; i < got.rows(); ++i) {
      for (std::size_t k = 0; k < want.row(i).size(); ++k) {
        const float rounding = halves ? std::abs(want.row(i)[k]) / 256 : 0;
        ASSERT_NEAR(got.row(i)[k], want.row(i)[k], tolerance(one.shape) + rounding)
            << describe(one);
      }
    }
  }
}

bool gives_parts(Precision precision) {
  return precision != Precision::kF32 &&
         (cpu().amx || (precision == Precision::kInt8 && cpu().avx512 && cpu().vnni));
}

Matrix columns(const Matrix& from, int first, int count) {
  Matrix part(from.rows(), count);
  for (int i = 0; i < from.rows(); ++i) std::copy_n(&from.row(i)[first], count, &part.row(i)[0]);
  return part;
}

// All of them where its kernel can't give or take some.
TEST_P(LinearIn, GivesSomeOfTheOutputsAsItGivesAll) {
  std::mt19937 random(9);
  for (const int rows : {1, 7, 50, 150}) {
    Case one = random_case(random, GetParam(), Epilogue::kQuickGelu, 300, 2);
    one.shape.out = 200;
    one.weights.weights = random_floats(one.shape.in * one.shape.out, random);
    one.weights.bias = random_floats(one.shape.bias ? one.shape.out : 0, random);
    const Linear layer(one.shape, one.weights);
    Activations x, whole, part;
    convert(random_matrix(rows, one.shape.in, random), layer.input(), x);
    layer.forward(x, whole);
    std::vector<std::pair<int, int>> parts{{0, 96}, {96, 64}, {160, 40}};
    if (!gives_parts(GetParam())) parts = {{0, 200}};
    for (const auto& [first, count] : parts) {
      layer.forward_outputs(x, first, count, part);
      ASSERT_EQ(part.cols(), count);
      std::vector<float> all(200), some(200);
      for (int i = 0; i < rows; ++i) {
        load_row(whole, i, all.data());
        load_row(part, i, some.data());
        for (int k = 0; k < count; ++k) {
          ASSERT_EQ(some[static_cast<std::size_t>(k)], all[static_cast<std::size_t>(first + k)]);
        }
      }
    }
    EXPECT_THROW(layer.forward_outputs(x, 16, 32, part), Error);
    EXPECT_THROW(layer.forward_outputs(x, 192, 32, part), Error);
  }
}

TEST_P(LinearIn, AddsWhatSomeOfTheInputsGive) {
  std::mt19937 random(10);
  for (const int rows : {3, 50, 150}) {
    const int in = 3500, out = 100;
    const Linear::Weights weights{
        .weights = random_floats(in * out, random, 1 / std::sqrt(static_cast<float>(in))),
        .bias = random_floats(out, random)};
    const Linear::Shape shape{
        .in = in, .out = out, .epilogue = Epilogue::kAdd, .precision = GetParam()};
    const Linear layer(shape, weights);
    const int part = layer.inputs_at_a_time(1'000'000);
    EXPECT_EQ(part < in, gives_parts(GetParam()));
    EXPECT_EQ(layer.inputs_at_a_time(1), in);
    const Matrix all = random_matrix(rows, in, random);
    const Matrix rounded_weights = rounded(as_matrix(weights.weights, out, in), GetParam());
    Matrix got = random_matrix(rows, out, random), want = got;
    for (int first = 0; first < in; first += part) {
      const int count = std::min(part, in - first);
      const Matrix some = columns(all, first, count);
      const Matrix matching = columns(rounded_weights, first, count);
      const std::size_t size = static_cast<std::size_t>(out) * static_cast<std::size_t>(count);
      const Matrix more = plain::linear(rounded(some, GetParam()), {matching.data(), size},
                                        first == 0 ? weights.bias : std::vector<float>(), out);
      for (int i = 0; i < rows; ++i) {
        for (std::size_t k = 0; k < more.row(i).size(); ++k) want.row(i)[k] += more.row(i)[k];
      }
      Activations x;
      convert(some, layer.input(), x);
      layer.forward_inputs(x, first, got);
    }
    // Twice, as above.
    EXPECT_LT(test::largest_difference(got, want), 2 * tolerance(shape)) << rows;
    Activations x;
    convert(columns(all, 0, part - 32), layer.input(), x);
    EXPECT_THROW(layer.forward_inputs(x, 0, got), Error);
    EXPECT_THROW(layer.forward_inputs(x, 32, got), Error);
  }
}

TEST_P(LinearIn, GivesTheSameFromManyThreadsAtOnceAndWithHelpers) {
  std::mt19937 random(3);
  std::vector<Case> cases;
  for (int i = 0; i < 6; ++i) {
    cases.push_back(random_case(random, GetParam(), static_cast<Epilogue>(i % 4), 200, 60));
  }
  std::vector<Matrix> results(cases.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < cases.size(); ++t) {
      threads.emplace_back([&, t] {
        const Helpers helpers(t % 2 == 0 ? 3 : 1);
        for (int repeat = 0; repeat < 5; ++repeat) results[t] = computed(cases[t]);
      });
    }
  }
  for (std::size_t t = 0; t < cases.size(); ++t) {
    EXPECT_LT(test::largest_difference(results[t], expected(cases[t])), tolerance(cases[t].shape))
        << describe(cases[t]);
  }
}

TEST_P(LinearIn, LetsThroughWhatIsNotFinite) {
  std::mt19937 random(4);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Case one = random_case(random, GetParam(), Epilogue::kStore, 60, 5);
    one.weights.weights[0] = bad;
    Matrix y = computed(one);
    for (int i = 0; i < y.rows(); ++i) EXPECT_FALSE(std::isfinite(y.row(i)[0]));
    one = random_case(random, GetParam(), Epilogue::kStore, 60, 5);
    one.x.row(0)[0] = bad;
    y = computed(one);
    for (const float value : y.row(0)) EXPECT_FALSE(std::isfinite(value));
  }
}

TEST_P(LinearIn, TakesItsPartsFromASavedPack) {
  std::mt19937 random(5);
  const Case one = random_case(random, GetParam(), Epilogue::kStore, 90, 30);
  WeightPack made;
  const Linear first(one.shape, made, [&] { return one.weights; });
  const auto path = std::filesystem::path(testing::TempDir()) /
                    ("pack-" + std::to_string(::getpid()) + "-" + std::string(name_of(GetParam())));
  made.save(path, "key");
  WeightPack saved(path, "key");
  const Linear second(one.shape, saved, []() -> Linear::Weights {
    ADD_FAILURE() << "read the weights though they were saved";
    return {};
  });
  std::filesystem::remove(path);
  Activations x;
  convert(one.x, first.input(), x);
  Matrix a, b;
  first.forward(x, a);
  second.forward(x, b);
  EXPECT_EQ(test::largest_difference(a, b), 0);
}

INSTANTIATE_TEST_SUITE_P(EveryPrecision, LinearIn,
                         testing::Values(Precision::kF32, Precision::kBf16, Precision::kInt8),
                         [](const auto& one) { return std::string(name_of(one.param)); });

TEST(Linear, GeluIsTheExactOneOverTheWholeRange) {
  Activations column;
  column.reshape(Number::kF32, 4001, 1);
  for (int i = 0; i < column.rows(); ++i) {
    column.row<float>(i)[0] = 0.005f * static_cast<float>(i - 2000);
  }
  for (const Epilogue epilogue : {Epilogue::kGelu, Epilogue::kQuickGelu}) {
    // One input and one output at a time: the identity, then the activation.
    Matrix y;
    Linear({.in = 1, .out = 1, .bias = false, .epilogue = epilogue}, {.weights = {1}, .bias = {}})
        .forward(column, y);
    for (int i = 0; i < column.rows(); ++i) {
      const double at = column.row<float>(i)[0];
      const double want = epilogue == Epilogue::kGelu ? plain::gelu(at) : plain::quick_gelu(at);
      ASSERT_NEAR(y.row(i)[0], want, 2e-6) << "at " << at;
    }
  }
}

TEST(Linear, RefusesWhatDoesNotFit) {
  const Linear layer({.in = 2, .out = 3}, {.weights = {1, 2, 3, 4, 5, 6}, .bias = {1, 2, 3}});
  Activations x;
  x.reshape(Number::kF32, 1, 3);
  Matrix y;
  EXPECT_THROW(layer.forward(x, y), Error);
  x.reshape(Number::kBf16, 1, 2);
  EXPECT_THROW(layer.forward(x, y), Error);
  EXPECT_THROW(Linear({.in = 2, .out = 3}, {.weights = {1, 2}, .bias = {1, 2, 3}}), Error);
}

}  // namespace
}  // namespace pgmmr
