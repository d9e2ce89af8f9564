// Attention of one head in float32, in vectors. Products and softmax keep to tiles of its scores.
#pragma once

#include <cstddef>

namespace pgmmr::floats {

// What the next head will read. Of many pictures it lies beyond the second-level cache, so it is
// fetched into it while this head is computed.
struct Upcoming {
  struct Rows {
    const float* first = nullptr;
    std::ptrdiff_t stride = 0;
    int count = 0;
  };
  Rows parts[3];  // queries, keys and values
  int width = 0;
};

// Strides in floats.
struct Head {
  const float* queries = nullptr;
  const float* keys = nullptr;    // [dim, padded_keys]: turned, so that a vector holds 16 keys
  const float* values = nullptr;  // [key_count, padded_dim]
  float* out = nullptr;
  std::ptrdiff_t query_stride = 0, value_stride = 0, out_stride = 0;
  int query_count = 0, key_count = 0, dim = 0;
  int padded_keys = 0, padded_dim = 0;  // multiples of vector::kLanes
  bool causal = false;                  // query i sees the keys up to i
  Upcoming upcoming;
};

// Floats that attend() needs beside its operands.
std::size_t scratch_size(int padded_keys, int padded_dim);

//   threads  safe to call at once, each with scratch of its own
void attend(const Head& head, float* scratch);

}  // namespace pgmmr::floats
