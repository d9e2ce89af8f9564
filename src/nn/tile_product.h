// x W^T on AMX's tiles, for bf16 and int8: our own kernel for the one case where oneDNN 2.6 is slow
// (1.3 to 1.5 times our time on 50 to 800 rows of ViT-B/32's layers, 1.2 times on 7, measured side
// by side) and where compiling its code takes longer than a short text.
//
// Tiles are eight registers of 16 rows by 64 bytes; one instruction multiplies two of them and adds
// to a third (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18).
// Weights lie in panels of 32 outputs, in the order in which the tiles load them. For each panel
// the rows pass in blocks of 32: four tiles of sums, two of rows, two of weights. While a block is
// multiplied, the one before gets bias, activation and rounding, and the next panel is fetched. The
// panel stays in the first-level cache, half by half if need be, and the rows stream past it from
// the second. Proven against plain::linear on random shapes.
#pragma once

#include <cstddef>

#include "nn/panel_product.h"

namespace pgmmr::tiles {

using panel::Call;
using panel::Layer;

std::size_t packed_bytes(const Layer& layer);

// Lays out weights [out, in]. Of int8, scales[o] is what an integer of output o stands for.
//   to  packed_bytes(layer), zero, on a cache line
void pack(const Layer& layer, const float* weights, const float* scales, std::byte* to);

//   requires  cpu().amx
//   threads   uses for_each_range's helpers
void multiply(const Layer& layer, const Call& call);

}  // namespace pgmmr::tiles
