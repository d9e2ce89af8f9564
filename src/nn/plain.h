// The engine's arithmetic written plainly, in double precision: the specification that the fast
// versions are tested against. Nothing but tests calls it.
#pragma once

#include <span>

#include "nn/matrix.h"

namespace pgmmr::plain {

double quick_gelu(double x);
double gelu(double x);

//   weights  [out, in]
//   bias     [out], or empty
Matrix linear(const Matrix& x, std::span<const float> weights, std::span<const float> bias,
              int out);

// Each value rounded to the nearest bfloat16, ties to even.
Matrix round_to_bf16(const Matrix& x);
float round_to_bf16(float x);

// Each row's values rounded to multiples of a 127th of its largest magnitude.
Matrix round_to_int8(const Matrix& x);

Matrix layer_norm(const Matrix& x, std::span<const float> weight, std::span<const float> bias,
                  double eps);

// Scaled dot-product attention, head by head; query i is the token first_query + i and with causal
// sees the keys up to itself.
//   queries  [m, heads * head_dim]
//   keys, values  [n, heads * head_dim]
//   returns  [m, heads * head_dim]
Matrix attention(const Matrix& queries, const Matrix& keys, const Matrix& values, int heads,
                 bool causal, int first_query);

}  // namespace pgmmr::plain
