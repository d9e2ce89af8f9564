// x W^T in float32 for few rows: texts. Our own kernel, since oneDNN reads a packed matrix as one:
// with the seven rows of a short text, where reading the weights is all the work, it cannot give
// each core some of them, and it prepares code for every number of rows it meets.
//
// Weights lie in panels of 16 outputs, in the order in which they are read. Rows pass a panel in
// blocks whose sums stay in registers: twelve rows by two panels on AVX-512, six rows by one panel
// with the sixteen registers of AVX2. Written in vectors of 16 that the compiler lowers to what the
// CPU has (nn/vector.h). Weights that half floats can hold exactly stay half floats, where the CPU
// has an instruction for them: a short text's embedding is the time to read them, and that is half.
// Proven against plain::linear on random shapes.
#pragma once

#include <span>

#include "nn/panel_product.h"

namespace pgmmr::few_rows {

using panel::Call;
using panel::Layer;  // of kF32

// Whether layers of such weights shall have f16_weights: all can be half floats, and this CPU
// widens them as it loads them.
bool fit_f16(std::span<const float> weights);

std::size_t packed_bytes(const Layer& layer);

// Lays out weights [out, in].
//   to  packed_bytes(layer), zero, on a cache line
void pack(const Layer& layer, const float* weights, std::byte* to);

// The result is call.floats, its rows dense.
//   threads  uses for_each_range's helpers
void multiply(const Layer& layer, const Call& call);

}  // namespace pgmmr::few_rows
