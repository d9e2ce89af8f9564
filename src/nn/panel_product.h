// What the kernels of our own have in common (tile_product.h, vnni_product.h): they multiply rows
// of bf16 or int8 by panels of 32 outputs, and each block of sums gets scales, bias, activation and
// rounding while it is in the first-level cache.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nn/activations.h"
#include "nn/epilogue.h"

namespace pgmmr::panel {

constexpr int kOutputs = 32;

// Which of them multiplies rows of that form on this CPU; where none does, oneDNN does. Few rows of
// float32 are few_rows_product.h's, with panels and an epilogue of its own.
enum class Kernel { kNone, kTiles, kVnni, kFewRows };
Kernel kernel_for(Number number, bool many_rows = true);

struct Layer {
  int in = 0, out = 0;
  Number number = Number::kBf16;
  Epilogue epilogue = Epilogue::kStore;
  bool f16_weights = false;  // of kF32: they are kept as half floats
};

inline int panels_of(const Layer& layer) { return (layer.out + kOutputs - 1) / kOutputs; }

// y = epilogue(x W^T + bias), y float32 (then kAdd is possible) or bf16.
struct Call {
  const std::byte* packed = nullptr;
  const float* bias = nullptr;    // [out], or null
  const float* scales = nullptr;  // [out], of int8
  const Activations* x = nullptr;
  float* floats = nullptr;  // the result, one of the two
  Bf16* halves = nullptr;
  std::ptrdiff_t result_stride = 0;  // bytes
};

// The integer that stands for a weight; 0 where the scale is not finite.
std::int8_t to_int8(float weight, float scale);

// From sums to results.
//   requires  AVX-512; AVX512-BF16 where results are bf16
class Finish {
 public:
  Finish(const Layer& layer, const Call& call);

  //   sums       float32 of bf16, else integers [rows, kOutputs], on a cache line
  //   row        of x, of the first one
  //   with_bias  not for the second part of the inputs and later ones, which add to the first
  void operator()(const std::int32_t* sums, int row, int rows, int panel, bool with_bias) const;

  // Where the results of that row and panel go.
  char* result(int row, int panel) const;

 private:
  struct Target;
  using Function = void (*)(const std::int32_t* sums, int rows, int columns, const Target& target);
  template <bool kInt8>
  static Function function_for(Epilogue epilogue, bool halves);
  struct Kernel;

  const Layer& layer_;
  const Call& call_;
  Function function_;
};

}  // namespace pgmmr::panel
