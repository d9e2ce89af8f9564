// Scaled dot-product attention (Vaswani et al. 2017, equation 1) over the heads of one sequence.
#pragma once

#include "nn/matrix.h"

namespace pgmmr {

// One sequence's rows in matrices that hold several sequences one behind the other. Head h is the
// columns h * head_dim to (h + 1) * head_dim of queries and out. A row of keys_values holds all
// heads' keys, then all heads' values.
struct AttentionCall {
  const Matrix* queries = nullptr;      // [.., heads * head_dim]
  const Matrix* keys_values = nullptr;  // [.., 2 * heads * head_dim]
  Matrix* out = nullptr;                // [.., heads * head_dim], at the same rows as queries
  int first_query = 0, query_count = 0;
  int first_key = 0, key_count = 0;
  int heads = 1;
  // Query i sees the keys up to i. Needs as many queries as keys.
  bool causal = false;
};

//   throws   Error{kInternal} where the call does not fit its matrices
//   threads  safe to call at once
void attend(const AttentionCall& call);

}  // namespace pgmmr
