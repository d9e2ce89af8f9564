#include "nn/tile_product.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "nn/amx.h"
#include "nn/parallel.h"

#if defined(__x86_64__)

namespace pgmmr::tiles {
namespace {

using amx::kTileBytes;
using amx::kTileRows;
using panel::panels_of;

constexpr int kPanel = panel::kOutputs;
constexpr int kBlock = 32;                       // rows
constexpr int kStepBytes = kPanel * kTileBytes;  // of weights: two tiles
// Inputs that are multiplied before the next panel's turn where results are added anyway: so the
// rows' share of 8 pictures stays in the second-level cache with 3,072 inputs, too.
constexpr int kChunkSteps = 24;

// Inputs a tile holds in a row.
constexpr int depth(Number number) { return kTileBytes / static_cast<int>(size_of(number)); }

int steps_of(const Layer& layer) {
  return (layer.in + depth(layer.number) - 1) / depth(layer.number);
}
int chunk_steps(const Layer& layer) {
  return layer.epilogue == Epilogue::kAdd ? std::min(steps_of(layer), kChunkSteps)
                                          : steps_of(layer);
}

}  // namespace

std::size_t packed_bytes(const Layer& layer) {
  return static_cast<std::size_t>(panels_of(layer)) * static_cast<std::size_t>(steps_of(layer)) *
         kStepBytes;
}

// A row of a weights' tile holds, for each of 16 outputs, the 2 bf16 or 4 int8 inputs that are
// multiplied together. Order: chunks of inputs, panels, steps, left and right tile.
void pack(const Layer& layer, const float* weights, const float* scales, std::byte* to) {
  const int all_steps = steps_of(layer), per_chunk = chunk_steps(layer);
  const int group = layer.number == Number::kBf16 ? 2 : 4;
  for (int chunk = 0; chunk < all_steps; chunk += per_chunk) {
    const int end = std::min(chunk + per_chunk, all_steps);
    for (int panel = 0; panel < panels_of(layer); ++panel) {
      for (int step = chunk; step < end; ++step, to += kStepBytes) {
        for (int column = 0; column < kPanel; ++column) {
          const int output = panel * kPanel + column;
          if (output >= layer.out) break;
          const float* from = weights + static_cast<std::ptrdiff_t>(output) * layer.in;
          std::byte* tile = to + column / 16 * kTileRows * kTileBytes;
          for (int k = 0; k < depth(layer.number); ++k) {
            const int input = step * depth(layer.number) + k;
            if (input >= layer.in) break;
            const int place = k / group * kTileBytes / static_cast<int>(size_of(layer.number)) +
                              column % 16 * group + k % group;
            if (layer.number == Number::kBf16) {
              reinterpret_cast<Bf16*>(tile)[place] = to_bf16(from[input]);
            } else {
              reinterpret_cast<std::int8_t*>(tile)[place] =
                  panel::to_int8(from[input], scales[output]);
            }
          }
        }
      }
    }
  }
}

PGMMR_AMX_BEGIN
namespace {

// sums[32, 32] = a[32 or 16, steps] * panel. While it runs, lines of what comes next are fetched.
template <bool kInt8, bool kTwoRows>
void multiply_block(const char* a, std::ptrdiff_t stride, const char* panel, int steps,
                    std::int32_t* sums, const char* next, int lines) {
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (kTwoRows) {
    _tile_zero(2);
    _tile_zero(3);
  }
  const char* lower = a + kTileRows * stride;
  for (int step = 0; step < steps; ++step) {
    _tile_loadd(6, panel, kTileBytes);
    _tile_loadd(4, a, stride);
    _tile_loadd(7, panel + kTileRows * kTileBytes, kTileBytes);
    if constexpr (kTwoRows) _tile_loadd(5, lower, stride);
    for (int line = 0; line < lines; ++line) _mm_prefetch(next + line * 64, _MM_HINT_T1);
    if constexpr (kInt8) {
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(1, 4, 7);
      if constexpr (kTwoRows) {
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
      }
    } else {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (kTwoRows) {
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
    a += kTileBytes;
    lower += kTileBytes;
    panel += kStepBytes;
    next += kStepBytes;
  }
  constexpr int kSumStride = kPanel * 4;
  _tile_stored(0, sums, kSumStride);
  _tile_stored(1, sums + 16, kSumStride);
  if constexpr (kTwoRows) {
    _tile_stored(2, sums + kTileRows * kPanel, kSumStride);
    _tile_stored(3, sums + kTileRows * kPanel + 16, kSumStride);
  }
}

template <bool kInt8>
void multiply_panels(const Layer& layer, const Call& call, int first, int end) {
  alignas(64) std::int32_t sums[kBlock * kPanel];
  const Activations& x = *call.x;
  const panel::Finish finish(layer, call);
  const int all_steps = steps_of(layer), per_chunk = chunk_steps(layer);
  const int blocks = (x.rows() + kBlock - 1) / kBlock;
  const int lines = (kStepBytes / 64 + blocks - 1) / blocks;
  const auto* packed = reinterpret_cast<const char*>(call.packed);
  const amx::Configuration whole(kTileRows, kTileRows);
  const int rest = x.rows() % kBlock;
  const amx::Configuration last(std::min(rest, kTileRows), std::max(rest - kTileRows, 0));

  for (int chunk = 0; chunk < all_steps; chunk += per_chunk) {
    const int steps = std::min(per_chunk, all_steps - chunk);
    const std::ptrdiff_t panel_bytes = static_cast<std::ptrdiff_t>(steps) * kStepBytes;
    const char* panels =
        packed + static_cast<std::ptrdiff_t>(chunk) * panels_of(layer) * kStepBytes;
    for (int panel = first; panel < end; ++panel) {
      const char* weights = panels + panel * panel_bytes;
      if (x.rows() >= kBlock) _tile_loadconfig(&whole);
      for (int block = 0; block < blocks; ++block) {
        const int row = block * kBlock;
        const int rows = std::min(kBlock, x.rows() - row);
        const char* a = x.row<char>(row) + static_cast<std::ptrdiff_t>(chunk) * kTileBytes;
        const char* next = weights + panel_bytes + block * lines * 64;
        if (rows < kBlock) _tile_loadconfig(&last);
        if (rows > kTileRows) {
          multiply_block<kInt8, true>(a, x.stride(), weights, steps, sums, next, lines);
        } else {
          multiply_block<kInt8, false>(a, x.stride(), weights, steps, sums, next, lines);
        }
        finish(sums, row, rows, panel, chunk == 0);
      }
    }
  }
  _tile_release();
}

}  // namespace

void multiply(const Layer& layer, const Call& call) {
  if (call.x->rows() == 0) return;
  for_each_range(panels_of(layer), 1, [&](int first, int end) {
    if (layer.number == Number::kInt8) {
      multiply_panels<true>(layer, call, first, end);
    } else {
      multiply_panels<false>(layer, call, first, end);
    }
  });
}

PGMMR_AMX_END
}  // namespace pgmmr::tiles

#else

#include "base/error.h"

namespace pgmmr::tiles {

std::size_t packed_bytes(const Layer&) { return 0; }
void pack(const Layer&, const float*, const float*, std::byte*) {}
void multiply(const Layer&, const Call&) {
  throw Error(ErrorKind::kInternal, "multiplying on tiles, which this CPU does not have");
}

}  // namespace pgmmr::tiles

#endif
