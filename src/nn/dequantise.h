// The sums of an int8 product, with their scales, bias and activation, to what the next step reads.
#pragma once

#include <cstdint>

#include "nn/activations.h"
#include "nn/epilogue.h"

namespace pgmmr {

// One row of sums: value o is sums[o] * scale * scales[o] + bias[o].
struct Int8Sums {
  const std::int32_t* sums;
  float scale;          // of the row
  const float* scales;  // [count]
  const float* bias;    // [count], or null
  int count;
};

//   epilogue  kAdd adds to what is there
void dequantise(const Int8Sums& from, Epilogue epilogue, float* to);
//   epilogue  not kAdd
void dequantise(const Int8Sums& from, Epilogue epilogue, Bf16* to);

}  // namespace pgmmr
