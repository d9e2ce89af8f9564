// Scaled dot-product attention (Vaswani et al. 2017, equation 1) over the heads of one sequence.
//
// In float32 by our own vectorised code; bf16 on AMX's tiles where there are any, else widened to
// float32 head by head. Proven against plain::attention on random shapes.
#pragma once

#include "nn/activations.h"

namespace pgmmr {

// One sequence's rows in activations that hold several sequences one behind the other, all float32
// or all bf16. Head h is the columns h * head_dim to (h + 1) * head_dim of queries and out. A row
// of keys_values holds all heads' keys, then all heads' values.
struct AttentionCall {
  const Activations* queries = nullptr;      // [.., heads * head_dim]
  const Activations* keys_values = nullptr;  // [.., 2 * heads * head_dim]
  Activations* out = nullptr;                // [.., heads * head_dim], at the same rows as queries
  int first_query = 0, query_count = 0;
  int first_key = 0, key_count = 0;
  int heads = 1;
  // Query i sees the keys up to i. Needs as many queries as keys.
  bool causal = false;
};

// Heads first .. end-1 of the call.
//   throws   Error{kInternal} where the call does not fit its activations
//   threads  safe to call at once
void attend(const AttentionCall& call, int first_head, int end_head);

}  // namespace pgmmr
