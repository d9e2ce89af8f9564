#include "nn/tile_product.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>

#include "nn/amx.h"
#include "nn/panel_finish.h"
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
constexpr int kBlockSums = kBlock * kPanel;
constexpr int kLine = 64;
// So many steps of a panel stay in the first-level cache beside what passes through it; of more
// blocks than these two, rows pass once for each such part of it.
constexpr int kPassSteps = 16, kBlocksWorthPasses = 3;
// Inputs a tile holds in a row.
constexpr int depth(Number number) { return kTileBytes / static_cast<int>(size_of(number)); }

int steps_of(const Layer& layer, int inputs) {
  return (inputs + depth(layer.number) - 1) / depth(layer.number);
}
int steps_of(const Layer& layer) { return steps_of(layer, layer.in); }
int chunk_steps(const Layer& layer) { return steps_of(layer, panel::chunk_inputs(layer)); }

// A thread keeps them.
std::int32_t* partial_sums(int blocks) {
  struct Free {
    void operator()(std::int32_t* p) const noexcept { std::free(p); }
  };
  thread_local std::unique_ptr<std::int32_t, Free> kept;
  thread_local int capacity = 0;
  if (blocks > capacity) {
    const std::size_t bytes = static_cast<std::size_t>(blocks) * kBlockSums * sizeof(std::int32_t);
    kept.reset(static_cast<std::int32_t*>(std::aligned_alloc(kTileBytes, bytes)));
    capacity = kept ? blocks : 0;
    if (!kept) throw std::bad_alloc();
  }
  return kept.get();
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

// A block's sums that wait to become results.
struct Unfinished {
  const std::int32_t* sums = nullptr;
  int rows = 0;  // none before the first
  panel::Target target;
};

template <bool kInt8, Epilogue kEpilogue, typename T>
void finish(const Unfinished& block) {
  panel::RowFinish<kInt8, kEpilogue, T> row(block.target);
  for (int i = 0; i < block.rows; ++i) row.next(block.sums + i * kPanel);
}

// What one block of rows is multiplied by, and where its sums come from and go.
struct Block {
  const char* rows;
  std::ptrdiff_t stride;
  const char* panel;
  int steps;
  const char* next;  // what is fetched meanwhile: so many lines at each step
  int lines;
  const std::int32_t* partial_from;  // sums of earlier steps, a tile after the other; or null
  std::int32_t* partial_to;          // or null, and then
  std::int32_t* sums;                // [32, kPanel]
};

// A macro, for GCC's intrinsics want numbers.
#define PGMMR_MULTIPLY_TILES(sums, rows, weights) \
  if constexpr (kInt8) {                          \
    _tile_dpbssd(sums, rows, weights);            \
  } else {                                        \
    _tile_dpbf16ps(sums, rows, weights);          \
  }

// sums = rows[32 or 16, steps] * panel. Meanwhile the rows of the block before are finished, at
// most one after each product of two tiles, so that their unit has work: its next product must not
// be further than the CPU looks ahead, nor behind a branch that it guesses wrong. Rows are loaded
// as what is not needed again soon: they would drive the panel, which is, out of the first-level
// cache.
template <bool kInt8, Epilogue kEpilogue, typename T, bool kTwoRows>
void multiply_block(const Block& block, const Unfinished& before) {
  constexpr int kTileSums = kTileRows * 16;
  panel::RowFinish<kInt8, kEpilogue, T> row(before.target);
  const std::int32_t* unfinished = before.sums;
  const auto finish_row = [&]() __attribute__((always_inline)) {
    row.next(unfinished);
    unfinished += kPanel;
  };
  if (block.partial_from != nullptr) {
    _tile_stream_loadd(0, block.partial_from, kTileBytes);
    _tile_stream_loadd(1, block.partial_from + kTileSums, kTileBytes);
    if constexpr (kTwoRows) {
      _tile_stream_loadd(2, block.partial_from + 2 * kTileSums, kTileBytes);
      _tile_stream_loadd(3, block.partial_from + 3 * kTileSums, kTileBytes);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (kTwoRows) {
      _tile_zero(2);
      _tile_zero(3);
    }
  }
  const char* upper = block.rows;
  const char* lower = upper + kTileRows * block.stride;
  const char* panel = block.panel;
  const char* next = block.next;
  const auto multiply_steps = [&]<int kFinished>(int steps) __attribute__((always_inline)) {
    for (int step = 0; step < steps; ++step) {
      _tile_loadd(6, panel, kTileBytes);
      _tile_stream_loadd(4, upper, block.stride);
      _tile_loadd(7, panel + kTileRows * kTileBytes, kTileBytes);
      if constexpr (kTwoRows) _tile_stream_loadd(5, lower, block.stride);
      for (int line = 0; line < block.lines; ++line, next += kLine) {
        _mm_prefetch(next, _MM_HINT_T1);
      }
      PGMMR_MULTIPLY_TILES(0, 4, 6);
      if constexpr (kFinished > 0) finish_row();
      PGMMR_MULTIPLY_TILES(1, 4, 7);
      if constexpr (kFinished > 1) finish_row();
      if constexpr (kTwoRows) {
        PGMMR_MULTIPLY_TILES(2, 5, 6);
      }
      if constexpr (kFinished > 2) finish_row();
      if constexpr (kTwoRows) {
        PGMMR_MULTIPLY_TILES(3, 5, 7);
      }
      if constexpr (kFinished > 3) finish_row();
      upper += kTileBytes;
      lower += kTileBytes;
      panel += kStepBytes;
    }
  };
  constexpr int kMostFinished = 4;  // a step
  int rows = before.rows;
  for (; rows > kMostFinished * block.steps; --rows) finish_row();
  const int each = rows / block.steps, more = rows % block.steps, rest = block.steps - more;
  switch (each) {
    case 0:
      multiply_steps.template operator()<1>(more);
      multiply_steps.template operator()<0>(rest);
      break;
    case 1:
      multiply_steps.template operator()<2>(more);
      multiply_steps.template operator()<1>(rest);
      break;
    case 2:
      multiply_steps.template operator()<3>(more);
      multiply_steps.template operator()<2>(rest);
      break;
    case 3:
      multiply_steps.template operator()<4>(more);
      multiply_steps.template operator()<3>(rest);
      break;
    default:
      multiply_steps.template operator()<4>(rest);
  }
  const bool partial = block.partial_to != nullptr;
  std::int32_t* const to = partial ? block.partial_to : block.sums;
  const std::ptrdiff_t stride = partial ? kTileBytes : kPanel * 4;
  const int right = partial ? kTileSums : 16;
  _tile_stored(0, to, stride);
  _tile_stored(1, to + right, stride);
  if constexpr (kTwoRows) {
    _tile_stored(2, to + 2 * kTileSums, stride);
    _tile_stored(3, to + 2 * kTileSums + right, stride);
  }
}

#undef PGMMR_MULTIPLY_TILES

template <bool kInt8, Epilogue kEpilogue, typename T>
void multiply_panels(const Layer& layer, const Call& call, int first, int end) {
  alignas(64) std::int32_t sums[2][kBlockSums];
  const Activations& x = *call.x;
  Unfinished before{.target = panel::target_of(layer, call, 0, first, true)};
  int turn = 0;
  const int first_step = steps_of(layer, call.first_input), per_chunk = chunk_steps(layer);
  const int end_step = first_step + steps_of(layer, x.cols());
  const int blocks = (x.rows() + kBlock - 1) / kBlock;
  const EvenParts even(x.rows(), blocks);
  const int lines = (kStepBytes / kLine + blocks - 1) / blocks;
  const auto weights_of = [&](int chunk, int panel, int step) {
    const int steps = std::min(per_chunk, end_step - chunk);
    return reinterpret_cast<const char*>(call.packed) +
           (static_cast<std::ptrdiff_t>(chunk) * panels_of(layer) +
            static_cast<std::ptrdiff_t>(panel) * steps + step) *
               kStepBytes;
  };
  // Blocks are even, and so are tiles: another shape would cost a hundred cycles. Of some blocks
  // the last row is the next one's first, and nobody reads the sums of that.
  const int most = (x.rows() + blocks - 1) / blocks;
  const amx::Configuration configuration(std::min(most, kTileRows), most - kTileRows);
  _tile_loadconfig(&configuration);
  const auto multiply = most > kTileRows ? multiply_block<kInt8, kEpilogue, T, true>
                                         : multiply_block<kInt8, kEpilogue, T, false>;

  for (int chunk = first_step; chunk < end_step; chunk += per_chunk) {
    const int steps = std::min(per_chunk, end_step - chunk);
    const int passes = blocks < kBlocksWorthPasses ? 1 : (steps + kPassSteps - 1) / kPassSteps;
    std::int32_t* const partial = passes > 1 ? partial_sums(blocks) : nullptr;
    // After the last of these panels come the first one of the next chunk, or whatever follows.
    const int next_chunk = chunk + per_chunk < end_step ? chunk + per_chunk : first_step;
    const int after_last = next_chunk > chunk ? first : end;
    for (int panel = first; panel < end; ++panel) {
      for (int pass = 0; pass < passes; ++pass) {
        const int from_step = start_of_part(steps, pass, passes);
        const int pass_steps = start_of_part(steps, pass + 1, passes) - from_step;
        const char* const next = panel + 1 < end ? weights_of(chunk, panel + 1, from_step)
                                                 : weights_of(next_chunk, after_last, from_step);
        const std::ptrdiff_t first_byte =
            static_cast<std::ptrdiff_t>(chunk - first_step + from_step) * kTileBytes;
        for (int block = 0, row = 0, rows = 0; block < blocks; ++block, row += rows) {
          rows = even.size_of(block);
          const bool is_last = pass + 1 == passes;
          multiply({.rows = x.row<char>(row) + first_byte,
                    .stride = x.stride(),
                    .panel = weights_of(chunk, panel, from_step),
                    .steps = pass_steps,
                    .next = next + std::ptrdiff_t{block} * lines * pass_steps * kLine,
                    .lines = lines,
                    .partial_from = pass > 0 ? partial + block * kBlockSums : nullptr,
                    .partial_to = is_last ? nullptr : partial + block * kBlockSums,
                    .sums = sums[turn]},
                   before);
          before.sums = sums[turn];
          before.rows = is_last ? rows : 0;
          before.target = panel::target_of(layer, call, row, panel, chunk == 0);
          turn ^= 1;
        }
      }
    }
    finish<kInt8, kEpilogue, T>(before);
    before.rows = 0;
  }
  _tile_release();
}

}  // namespace

void multiply(const Layer& layer, const Call& call) {
  if (call.x->rows() == 0) return;
  const auto multiply_some = panel::with_forms(
      layer.epilogue, call.halves != nullptr, [&]<Epilogue kEpilogue, typename T>() {
        return layer.number == Number::kInt8 ? multiply_panels<true, kEpilogue, T>
                                             : multiply_panels<false, kEpilogue, T>;
      });
  const int first_panel = panels_of(call.first_output);
  for_each_range(panels_of(call.outputs), 1, [&](int first, int end) {
    multiply_some(layer, call, first_panel + first, first_panel + end);
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
