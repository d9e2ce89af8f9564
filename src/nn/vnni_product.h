// x W^T in int8 where AVX-512 has VNNI and there are no tiles: our own kernel, beside which oneDNN
// 2.6 takes 1.4 times as long (bench/peers, ViT-B/32, 8 pictures).
//
// One instruction multiplies 64 pairs of an unsigned and a signed byte and adds each four
// neighbours to one of sixteen sums (Intel 64 and IA-32 Architectures Software Developer's Manual,
// VPDPBUSD). The weights are made unsigned, by 128 more than they are; the sums begin with what is
// too much, 128 times the sum of the row. Weights lie in panels of 32 outputs, in the order in
// which they are read. For each panel the rows pass in blocks of up to 12, whose 24 vectors of sums
// stay in registers: each vector of weights is used twelve times, and the panel stays in the first
// two levels of the cache. Proven against plain::linear on random shapes.
#pragma once

#include "nn/panel_product.h"

namespace pgmmr::vnni {

using panel::Call;
using panel::Layer;  // of kInt8

std::size_t packed_bytes(const Layer& layer);

// Lays out weights [out, in]; scales[o] is what an integer of output o stands for.
//   to  packed_bytes(layer), zero, on a cache line
void pack(const Layer& layer, const float* weights, const float* scales, std::byte* to);

//   requires  cpu().avx512 and cpu().vnni
//   threads   uses for_each_range's helpers
void multiply(const Layer& layer, const Call& call);

}  // namespace pgmmr::vnni
