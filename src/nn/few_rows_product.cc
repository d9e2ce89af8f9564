#include "nn/few_rows_product.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "nn/cpu.h"
#include "nn/parallel.h"
#include "nn/vector_gelu.h"

namespace pgmmr::few_rows {
namespace {

using vector::Eight;
using vector::Floats;
using vector::kLanes;

constexpr int kAheadBytes = 1024;  // weights that are fetched before they are needed
// Inputs that are summed up by themselves, then added: rounding errors grow with what was summed.
constexpr int kStretch = 768;
constexpr int kNarrowRows = 6, kWideRows = 12, kWidePanels = 2;
// Bytes of rows that pass all panels before the next rows do: they stay in the second-level cache.
constexpr int kGroupBytes = 512 * 1024;
// Rows this far apart, or a multiple, share a set or two of the first-level cache, which twelve of
// them do not fit into: such rows are copied to where they do not.
constexpr std::ptrdiff_t kCrowded = 2048;
// Products that a helper must find to do: some microseconds' worth.
constexpr std::int64_t kWorthAHelper = 500'000;

int panel_count(const Layer& layer) { return (layer.out + kLanes - 1) / kLanes; }

// Some of the rows, times some of the panels.
struct Part {
  const Layer* layer;
  const Call* call;
  const float* x;         // the first of the rows
  std::ptrdiff_t stride;  // floats from a row to the next
  int row, rows;          // of the result
  int first_panel, end_panel;
};

// sums[rows, stride] of one panel to results.
template <typename Vector>
PGMMR_INLINE void finish_in(const Part& part, int row, int rows, int panel, const float* sums,
                            int stride) {
  const Layer& layer = *part.layer;
  const int column = panel * kLanes, columns = std::min(kLanes, layer.out - column);
  const bool adds = layer.epilogue == Epilogue::kAdd;
  alignas(sizeof(Floats)) float bias[kLanes] = {}, whole[kLanes] = {};
  if (part.call->bias != nullptr) std::copy_n(part.call->bias + column, columns, bias);
  float* to = part.call->floats + std::ptrdiff_t{part.row + row} * layer.out + column;
  for (int i = 0; i < rows; ++i, sums += stride, to += layer.out) {
    float* const place = columns == kLanes ? to : whole;
    if (adds && columns < kLanes) std::copy_n(to, columns, whole);
    for (int lane = 0; lane < kLanes; lane += vector::lanes_of<Vector>()) {
      Vector value, other;
      vector::load(sums + lane, value);
      vector::load(bias + lane, other);
      value += other;
      if (layer.epilogue == Epilogue::kQuickGelu) vector::quick_gelu(value);
      if (layer.epilogue == Epilogue::kGelu) vector::gelu(value);
      if (adds) {
        vector::load(place + lane, other);
        value += other;
      }
      vector::store(value, place + lane);
    }
    if (columns < kLanes) std::copy_n(whole, columns, to);
  }
}

// Functions of their own: their constants would take the registers that the sums are in.
PGMMR_CLONES void finish_narrow(const Part& part, int row, int rows, int panel, const float* sums,
                                int stride) {
  finish_in<Eight>(part, row, rows, panel, sums, stride);
}
PGMMR_WIDE void finish_wide(const Part& part, int row, int rows, int panel, const float* sums,
                            int stride) {
  finish_in<Floats>(part, row, rows, panel, sums, stride);
}

// Weights that are fetched meanwhile, at each input a step: of the next panels, by as many blocks.
struct Ahead {
  const std::byte* at;
  std::ptrdiff_t step;
};

// Where half floats are kept as floats, for the blocks of rows that come after; with steps of 0
// nobody reads them.
struct Kept {
  float* at;
  std::ptrdiff_t step, panel;  // floats to the next input, and to the next panel
};

// kRows rows from `row` of the part on, times kPanels panels, in vectors that fit one register
// each: GCC keeps larger ones in memory.
//   weights  float or F16, of those panels
template <typename Vector, int kRows, int kPanels, typename Weight>
PGMMR_INLINE void multiply_block(const Part& part, int row, int panel, const Weight* weights,
                                 Ahead ahead, Kept kept) {
  constexpr int kOwnLanes = vector::lanes_of<Vector>();
  constexpr int kInPanel = kLanes / kOwnLanes, kVectors = kInPanel * kPanels;
  const int in = part.layer->in;
  const std::ptrdiff_t next_panel = std::ptrdiff_t{in} * kLanes;
  // Rows are reached from every fourth: x86 adds one, two or four strides for nothing.
  constexpr int kFours = (kRows + 3) / 4;
  const std::ptrdiff_t stride = part.stride, thrice = 3 * stride;
  const float* at[kFours];
  for (int i = 0; i < kFours; ++i) at[i] = part.x + (row + 4 * i) * stride;
  alignas(sizeof(Floats)) float stored[kRows][kPanels * kLanes] = {};
  for (int first = 0; first < in; first += kStretch) {
    Vector sums[kRows][kVectors] = {};
    for (int k = first; k < std::min(in, first + kStretch); ++k) {
      Vector columns[kVectors];
      PGMMR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        vector::load(weights + v / kInPanel * next_panel + v % kInPanel * kOwnLanes, columns[v]);
      }
      if constexpr (std::is_same_v<Weight, F16>) {
        PGMMR_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          vector::store(columns[v], kept.at + v / kInPanel * kept.panel + v % kInPanel * kOwnLanes);
        }
        kept.at += kept.step;
      }
      PGMMR_UNROLL
      for (int p = 0; p < kPanels; ++p) {
        __builtin_prefetch(reinterpret_cast<const std::byte*>(weights + p * next_panel) +
                           kAheadBytes);
      }
      __builtin_prefetch(ahead.at, 0, 2);
      ahead.at += ahead.step;
      weights += kLanes;
      PGMMR_UNROLL
      for (int i = 0; i < kRows; ++i) {
        const float value = at[i / 4][i % 4 == 3 ? thrice : (i % 4) * stride];
        PGMMR_UNROLL
        for (int v = 0; v < kVectors; ++v) sums[i][v] += value * columns[v];
      }
      PGMMR_UNROLL
      for (int i = 0; i < kFours; ++i) ++at[i];
    }
    PGMMR_UNROLL
    for (int i = 0; i < kRows; ++i) {
      PGMMR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        Vector before;
        vector::load(stored[i] + v * kOwnLanes, before);
        vector::store(before + sums[i][v], stored[i] + v * kOwnLanes);
      }
    }
  }
  constexpr auto finish = kInPanel == 1 ? finish_wide : finish_narrow;
  for (int p = 0; p < kPanels; ++p) {
    finish(part, row, kRows, panel + p, stored[0] + p * kLanes, kPanels * kLanes);
  }
}

template <typename Vector, int kRows, int kPanels, typename Weight>
PGMMR_INLINE void multiply_rows(const Part& part, int row, int rows, int panel,
                                const Weight* weights, Ahead ahead, Kept kept) {
  if constexpr (kRows > 1) {
    if (rows < kRows)
      return multiply_rows<Vector, kRows - 1, kPanels>(part, row, rows, panel, weights, ahead,
                                                       kept);
  }
  multiply_block<Vector, kRows, kPanels>(part, row, panel, weights, ahead, kept);
}

// Lines of the cache for `count` floats, of this thread.
float* scratch(std::ptrdiff_t count) {
  thread_local std::vector<Floats> lines;
  const auto needed = static_cast<std::size_t>(count / kLanes);
  if (lines.size() < needed) lines.resize(needed);
  return reinterpret_cast<float*>(lines.data());
}

// All rows, times kPanels panels, in blocks as even as can be: one of few rows waits for its own
// sums. The first block of many widens half floats for the others.
template <typename Vector, int kMostRows, int kPanels, typename Weight>
PGMMR_INLINE void multiply_blocks(const Part& part, int panel) {
  const int blocks = (part.rows + kMostRows - 1) / kMostRows;
  const auto begin = [&](int block) { return start_of_part(part.rows, block, blocks); };
  const std::ptrdiff_t panel_size = std::ptrdiff_t{part.layer->in} * kLanes;
  const auto* const packed = reinterpret_cast<const Weight*>(part.call->packed);
  const Weight* const weights = packed + panel * panel_size;
  // To widen once more costs less than to keep what one other block reads.
  const bool keeps = std::is_same_v<Weight, F16> && blocks > 2;
  Kept kept{};
  if constexpr (std::is_same_v<Weight, F16>) {
    const std::ptrdiff_t kept_panel = keeps ? panel_size : kLanes;
    kept = {scratch(kPanels * kept_panel), keeps ? kLanes : 0, kept_panel};
  }
  for (int block = 0; block < blocks; ++block) {
    const int next = panel + kPanels + block;
    const bool fetches = block < kPanels && next < panel_count(*part.layer);
    const Ahead ahead = {
        reinterpret_cast<const std::byte*>(packed + (fetches ? next : panel) * panel_size),
        fetches ? std::ptrdiff_t{sizeof(Weight)} * kLanes : 0};
    const int row = begin(block), rows = begin(block + 1) - row;
    if (keeps && block > 0) {
      multiply_rows<Vector, kMostRows, kPanels>(part, row, rows, panel,
                                                static_cast<const float*>(kept.at), ahead, kept);
    } else {
      multiply_rows<Vector, kMostRows, kPanels>(part, row, rows, panel, weights, ahead, kept);
    }
  }
}

template <typename Vector, int kMostRows, int kPanels, typename Weight>
PGMMR_INLINE void multiply_panels(const Part& part) {
  int panel = part.first_panel;
  for (; panel + kPanels <= part.end_panel; panel += kPanels) {
    multiply_blocks<Vector, kMostRows, kPanels, Weight>(part, panel);
  }
  for (; panel < part.end_panel; ++panel) {
    multiply_blocks<Vector, kMostRows, 1, Weight>(part, panel);
  }
}

PGMMR_CLONES void multiply_narrow(const Part& part) {
  multiply_panels<Eight, kNarrowRows, 1, float>(part);
}
PGMMR_F16C void multiply_narrow_f16(const Part& part) {
  multiply_panels<Eight, kNarrowRows, 1, F16>(part);
}
PGMMR_WIDE void multiply_wide(const Part& part) {
  multiply_panels<Floats, kWideRows, kWidePanels, float>(part);
}
PGMMR_WIDE void multiply_wide_f16(const Part& part) {
  multiply_panels<Floats, kWideRows, kWidePanels, F16>(part);
}

bool copies_rows(const Activations& x) { return x.stride() % kCrowded == 0 && x.rows() > 1; }

void multiply_all(const Layer& layer, const Call& call, int first_panel, int end_panel) {
  const Activations& x = *call.x;
  const std::ptrdiff_t stride = x.stride() / static_cast<std::ptrdiff_t>(sizeof(float));
  const int group =
      std::max(kWideRows, kGroupBytes / static_cast<int>(x.stride()) / kWideRows * kWideRows);
  thread_local std::vector<float> apart;
  for (int row = 0; row < x.rows(); row += group) {
    Part part{.layer = &layer,
              .call = &call,
              .x = x.row<float>(row),
              .stride = stride,
              .row = row,
              .rows = std::min(group, x.rows() - row),
              .first_panel = first_panel,
              .end_panel = end_panel};
    if (copies_rows(x)) {
      part.stride += kLanes;
      const std::size_t size = static_cast<std::size_t>(part.stride * part.rows);
      if (apart.size() < size) apart.resize(size);
      for (int i = 0; i < part.rows; ++i) {
        std::copy_n(x.row<float>(row + i), layer.in, apart.data() + i * part.stride);
      }
      part.x = apart.data();
    }
    if (layer.f16_weights) {
      cpu().avx512 ? multiply_wide_f16(part) : multiply_narrow_f16(part);
    } else {
      cpu().avx512 ? multiply_wide(part) : multiply_narrow(part);
    }
  }
}

}  // namespace

bool fit_f16(std::span<const float> weights) {
  return cpu().f16c &&
         std::ranges::all_of(weights, [](float value) { return exact_f16(value).has_value(); });
}

std::size_t packed_bytes(const Layer& layer) {
  return static_cast<std::size_t>(panel_count(layer)) * static_cast<std::size_t>(layer.in) *
         kLanes * (layer.f16_weights ? sizeof(F16) : sizeof(float));
}

// Order: panels, inputs, outputs.
void pack(const Layer& layer, const float* weights, std::byte* to) {
  const auto put = [&to](auto value) {
    std::memcpy(to, &value, sizeof value);
    to += sizeof value;
  };
  for (int panel = 0; panel < panel_count(layer); ++panel) {
    for (int k = 0; k < layer.in; ++k) {
      for (int i = 0; i < kLanes; ++i) {
        const std::ptrdiff_t output = panel * kLanes + i;
        const float weight = output < layer.out ? weights[output * layer.in + k] : 0;
        layer.f16_weights ? put(exact_f16(weight).value()) : put(weight);
      }
    }
  }
}

void multiply(const Layer& layer, const Call& call) {
  if (call.x->rows() == 0) return;
  // Four rows take as long as one: the weights must be read.
  const std::int64_t products =
      std::int64_t{layer.in} * kLanes * kWidePanels * std::max(call.x->rows(), 4);
  const int pairs = (panel_count(layer) + kWidePanels - 1) / kWidePanels;
  const auto grain = static_cast<int>(std::min<std::int64_t>(pairs, kWorthAHelper / products + 1));
  for_each_range(pairs, copies_rows(*call.x) ? coarse_grain(pairs, grain) : grain,
                 [&](int begin, int end) {
                   multiply_all(layer, call, begin * kWidePanels,
                                std::min(end * kWidePanels, panel_count(layer)));
                 });
}

}  // namespace pgmmr::few_rows
