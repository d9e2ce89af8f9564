#include "nn/attention.h"

#include <gtest/gtest.h>

#include <random>

#include "nn/plain.h"
#include "nn/random_matrix_test.h"

namespace pgmmr {
namespace {

Matrix slice(const Matrix& from, int first_row, int rows, int first_col, int cols) {
  Matrix part(rows, cols);
  for (int i = 0; i < rows; ++i) {
    for (int k = 0; k < cols; ++k) {
      part.row(i)[static_cast<std::size_t>(k)] =
          from.row(first_row + i)[static_cast<std::size_t>(first_col + k)];
    }
  }
  return part;
}

// Weighted means of values around 1: float32 keeps them to about 1e-6.
constexpr float kTolerance = 3e-6f;

TEST(Attention, EqualsThePlainVersionOnRandomShapes) {
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    const auto draw = [&](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    AttentionCall call;
    call.heads = draw(1, 4);
    const int width = call.heads * draw(1, 40);
    call.causal = round % 2 == 0;
    call.first_key = draw(0, 3);
    call.key_count = draw(1, 130);
    call.first_query = draw(0, 3);
    call.query_count = call.causal ? call.key_count : draw(1, 130);
    const Matrix queries =
        test::random_matrix(call.first_query + call.query_count + 2, width, random);
    const Matrix keys_values =
        test::random_matrix(call.first_key + call.key_count + 2, 2 * width, random);
    Matrix out(queries.rows(), width);
    call.queries = &queries;
    call.keys_values = &keys_values;
    call.out = &out;
    attend(call);
    const Matrix want =
        plain::attention(slice(queries, call.first_query, call.query_count, 0, width),
                         slice(keys_values, call.first_key, call.key_count, 0, width),
                         slice(keys_values, call.first_key, call.key_count, width, width),
                         call.heads, call.causal, 0);
    const Matrix got = slice(out, call.first_query, call.query_count, 0, width);
    EXPECT_LT(test::largest_difference(got, want), kTolerance)
        << call.query_count << " queries, " << call.key_count << " keys, " << call.heads
        << " heads, width " << width << (call.causal ? ", causal" : "");
  }
}

TEST(Attention, SurvivesScoresFarApart) {
  Matrix queries(1, 4), keys_values(3, 8), out(1, 4);
  for (float& value : queries.row(0)) value = 300;
  for (int j = 0; j < 3; ++j) {
    for (std::size_t k = 0; k < 4; ++k) {
      keys_values.row(j)[k] = j == 1 ? 300.0f : -300.0f;
      keys_values.row(j)[4 + k] = static_cast<float>(j);
    }
  }
  AttentionCall call{.queries = &queries,
                     .keys_values = &keys_values,
                     .out = &out,
                     .query_count = 1,
                     .key_count = 3};
  attend(call);
  for (const float value : out.row(0)) EXPECT_FLOAT_EQ(value, 1);
}

}  // namespace
}  // namespace pgmmr
