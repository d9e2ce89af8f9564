#include "nn/attention.h"

#include <gtest/gtest.h>

#include <random>

#include "nn/plain.h"
#include "nn/random_matrix_test.h"
#include "nn/row_format.h"

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

Matrix as_matrix(const Activations& from) {
  Matrix matrix(from.rows(), from.cols());
  for (int i = 0; i < from.rows(); ++i) load_row(from, i, matrix.row(i).data());
  return matrix;
}

// Weighted means of values around 1: float32 keeps them to about 1e-6. In bf16 the weights and the
// result are rounded to 8 bits.
void expect_equal_to_the_plain_version(Number number, float tolerance, int largest_dim) {
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    const auto draw = [&](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    AttentionCall call;
    call.heads = draw(1, 4);
    const int width = call.heads * draw(1, largest_dim);
    call.causal = round % 2 == 0;
    call.first_key = draw(0, 3);
    call.key_count = draw(1, 130);
    call.first_query = draw(0, 3);
    call.query_count = call.causal ? call.key_count : draw(1, 130);
    Activations queries_in, keys_values_in, out_in;
    convert(test::random_matrix(call.first_query + call.query_count + 2, width, random), number,
            queries_in);
    convert(test::random_matrix(call.first_key + call.key_count + 2, 2 * width, random), number,
            keys_values_in);
    out_in.reshape(number, queries_in.rows(), width);
    call.queries = &queries_in;
    call.keys_values = &keys_values_in;
    call.out = &out_in;
    const int middle = draw(0, call.heads);
    attend(call, 0, middle);
    attend(call, middle, call.heads);
    const Matrix queries = as_matrix(queries_in), keys_values = as_matrix(keys_values_in);
    const Matrix out = as_matrix(out_in);
    const Matrix want =
        plain::attention(slice(queries, call.first_query, call.query_count, 0, width),
                         slice(keys_values, call.first_key, call.key_count, 0, width),
                         slice(keys_values, call.first_key, call.key_count, width, width),
                         call.heads, call.causal, 0);
    const Matrix got = slice(out, call.first_query, call.query_count, 0, width);
    EXPECT_LT(test::largest_difference(got, want), tolerance)
        << call.query_count << " queries, " << call.key_count << " keys, " << call.heads
        << " heads, width " << width << (call.causal ? ", causal" : "");
  }
}

TEST(Attention, EqualsThePlainVersionOnRandomShapes) {
  expect_equal_to_the_plain_version(Number::kF32, 3e-6f, 40);
}

TEST(Attention, EqualsThePlainVersionOnRandomShapesInBf16) {
  expect_equal_to_the_plain_version(Number::kBf16, 2e-2f, 140);
}

TEST(Attention, SurvivesScoresFarApart) {
  for (const Number number : {Number::kF32, Number::kBf16}) {
    Matrix queries(1, 4), keys_values(3, 8);
    for (float& value : queries.row(0)) value = 300;
    for (int j = 0; j < 3; ++j) {
      for (std::size_t k = 0; k < 4; ++k) {
        keys_values.row(j)[k] = j == 1 ? 300.0f : -300.0f;
        keys_values.row(j)[4 + k] = static_cast<float>(j);
      }
    }
    Activations queries_in, keys_values_in, out;
    convert(queries, number, queries_in);
    convert(keys_values, number, keys_values_in);
    out.reshape(number, 1, 4);
    attend({.queries = &queries_in,
            .keys_values = &keys_values_in,
            .out = &out,
            .query_count = 1,
            .key_count = 3},
           0, 1);
    const Matrix result = as_matrix(out);
    for (const float value : result.row(0)) EXPECT_FLOAT_EQ(value, 1);
  }
}

}  // namespace
}  // namespace pgmmr
