// Attention of one head in bf16 on AMX's tiles. Scores, softmax and sums are float32.
#pragma once

#include <cstddef>

#include "nn/activations.h"

namespace pgmmr::tiles {

// Query i is the row at queries + i * query_stride bytes; keys and values share a stride.
struct Head {
  const Bf16* queries = nullptr;
  const Bf16* keys = nullptr;
  const Bf16* values = nullptr;
  Bf16* out = nullptr;
  std::ptrdiff_t query_stride = 0, key_stride = 0, out_stride = 0;  // bytes
  int query_count = 0, key_count = 0;
  int dim = 0;
  bool causal = false;  // query i sees the keys up to i
};

//   requires  cpu().amx; 15 more rows behind the last query may be read
//   threads   safe to call at once
void attend(const Head& head);

}  // namespace pgmmr::tiles
