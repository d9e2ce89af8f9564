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

constexpr int panels_of(int outputs) { return (outputs + kOutputs - 1) / kOutputs; }
constexpr int panels_of(const Layer& layer) { return panels_of(layer.out); }

// Inputs that are multiplied before the next panel's turn where results are added anyway: so the
// rows' share of 8 pictures stays in the second-level cache with 3,072 inputs, too.
constexpr int chunk_inputs(const Layer& layer) {
  constexpr int kChunk = 768;
  return layer.epilogue == Epilogue::kAdd && layer.in > kChunk ? kChunk : layer.in;
}

// y = epilogue(x W^T + bias), y float32 (then kAdd is possible) or bf16. Either x or y may be a
// part: some of the inputs, from the first of a chunk on, or some of the outputs, from the first of
// a panel on.
struct Call {
  const std::byte* packed = nullptr;
  const float* bias = nullptr;    // [out], or null
  const float* scales = nullptr;  // [out], of int8
  const Activations* x = nullptr;
  float* floats = nullptr;  // the result, one of the two
  Bf16* halves = nullptr;
  std::ptrdiff_t result_stride = 0;  // bytes
  int first_input = 0;               // x's first column is that
  int first_output = 0;              // y's first column is that
  int outputs = 0;                   // of y
};

// The integer that stands for a weight; 0 where the scale is not finite.
std::int8_t to_int8(float weight, float scale);

struct Target;  // nn/panel_finish.h

// From sums to results.
//   sums       float32 of bf16, else integers [rows, kOutputs], on a cache line
//   requires   AVX-512; AVX512-BF16 where results are bf16
using Finish = void (*)(const std::int32_t* sums, int rows, const Target& target);
Finish finish_for(const Layer& layer, const Call& call);

}  // namespace pgmmr::panel
