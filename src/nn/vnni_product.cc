#include "nn/vnni_product.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "nn/avx512.h"
#include "nn/panel_finish.h"
#include "nn/parallel.h"
#include "nn/vector.h"

#if defined(__x86_64__)

namespace pgmmr::vnni {
namespace {

using panel::kOutputs;
using panel::panels_of;

constexpr int kGroup = 4;  // inputs that one instruction adds up
constexpr int kLine = 64;
constexpr int kStepBytes = kOutputs * kGroup;  // of weights: two vectors
constexpr int kBlock = 12;                     // rows
constexpr int kOffset = 128;                   // what weights are too large by

int steps_of(int inputs) { return (inputs + kGroup - 1) / kGroup; }
int steps_of(const Layer& layer) { return steps_of(layer.in); }
int chunk_steps(const Layer& layer) { return steps_of(panel::chunk_inputs(layer)); }

}  // namespace

std::size_t packed_bytes(const Layer& layer) {
  return static_cast<std::size_t>(panels_of(layer)) * static_cast<std::size_t>(steps_of(layer)) *
         kStepBytes;
}

// Order: chunks of inputs, panels, steps, outputs, the four inputs.
void pack(const Layer& layer, const float* weights, const float* scales, std::byte* to) {
  const int all_steps = steps_of(layer), per_chunk = chunk_steps(layer);
  for (int chunk = 0; chunk < all_steps; chunk += per_chunk) {
    const int end = std::min(chunk + per_chunk, all_steps);
    for (int panel = 0; panel < panels_of(layer); ++panel) {
      for (int step = chunk; step < end; ++step, to += kStepBytes) {
        for (int i = 0; i < kStepBytes; ++i) {
          const int output = panel * kOutputs + i / kGroup, input = step * kGroup + i % kGroup;
          if (output >= layer.out || input >= layer.in) continue;
          const float weight = weights[static_cast<std::ptrdiff_t>(output) * layer.in + input];
          to[i] = static_cast<std::byte>(panel::to_int8(weight, scales[output]) + kOffset);
        }
      }
    }
  }
}

PGMMR_INSTRUCTIONS_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,prfchw")
namespace {

// What is fetched while a block is multiplied, evenly: a burst would take what loads from the
// second level wait in. Passed by reference: copied as a whole, it would wait for its parts to be
// stored, behind all results.
struct Fetched {
  const char* weights;  // of what comes next, so many lines
  int lines;
  const char* results;  // of this block: a panel's two lines in each row, to be written
  std::ptrdiff_t stride;
};

// sums[kRows, 32] = x[kRows, steps] * panel, less what the weights' offset adds to all of a row.
//   row_sums  of all its integers, or null: in the first part of the inputs for all of them
template <int kRows>
void multiply_block(const std::int8_t* x, std::ptrdiff_t stride, const char* panel, int steps,
                    const std::int32_t* row_sums, std::int32_t* sums, const Fetched& fetched) {
  const char* next_weights = fetched.weights;
  const char* results = fetched.results;
  __m512i left[kRows], right[kRows];
  PGMMR_UNROLL
  for (int i = 0; i < kRows; ++i) {
    left[i] = right[i] = _mm512_set1_epi32(row_sums != nullptr ? -kOffset * row_sums[i] : 0);
  }
  // Rows are reached from every fourth: x86 adds one, two or four strides for nothing.
  constexpr int kFours = (kRows + 3) / 4;
  const std::int8_t* at[kFours];
  for (int i = 0; i < kFours; ++i) at[i] = x + 4 * i * stride;
  const std::ptrdiff_t thrice = 3 * stride;
  const int pairs = std::max(steps / 2, 1);
  const int each = std::min((fetched.lines + pairs - 1) / pairs, 4);
  const int pairs_a_row = std::max(pairs / kRows, 1);
  int until_row = 0;
  const auto multiply_step = [&](int step) __attribute__((always_inline)) {
    const __m512i weights_left = _mm512_load_si512(panel + step * kStepBytes);
    const __m512i weights_right = _mm512_load_si512(panel + step * kStepBytes + kLine);
    PGMMR_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const std::int8_t* from = at[i / 4] + (i % 4 == 3 ? thrice : (i % 4) * stride);
      std::int32_t four;
      std::memcpy(&four, from + step * kGroup, sizeof four);
      const __m512i inputs = _mm512_set1_epi32(four);
      left[i] = _mm512_dpbusd_epi32(left[i], weights_left, inputs);
      right[i] = _mm512_dpbusd_epi32(right[i], weights_right, inputs);
    }
  };
  int step = 0;
  for (; step + 1 < steps; step += 2) {
    if (until_row-- == 0) {
      __builtin_prefetch(results, 1);
      __builtin_prefetch(results + kLine, 1);
      results += fetched.stride;
      until_row = pairs_a_row - 1;
    }
    multiply_step(0);
    multiply_step(1);
    PGMMR_UNROLL
    for (int i = 0; i < kFours; ++i) at[i] += 2 * kGroup;
    panel += 2 * kStepBytes;
    _mm_prefetch(next_weights, _MM_HINT_T1);
    if (each > 1) {
      _mm_prefetch(next_weights + kLine, _MM_HINT_T1);
      if (each > 2) {
        _mm_prefetch(next_weights + 2 * kLine, _MM_HINT_T1);
        _mm_prefetch(next_weights + 3 * kLine, _MM_HINT_T1);
      }
    }
    next_weights += each * kLine;
  }
  if (step < steps) multiply_step(0);
  PGMMR_UNROLL
  for (int i = 0; i < kRows; ++i) {
    _mm512_store_si512(sums + i * kOutputs, left[i]);
    _mm512_store_si512(sums + i * kOutputs + kOutputs / 2, right[i]);
  }
}

using Multiply = decltype(&multiply_block<1>);

template <std::size_t... kRows>
constexpr std::array<Multiply, sizeof...(kRows)> every_block(std::index_sequence<kRows...>) {
  return {multiply_block<static_cast<int>(kRows) + 1>...};
}
constexpr auto kMultiply = every_block(std::make_index_sequence<kBlock>());

void multiply_panels(const Layer& layer, const Call& call, int first, int end) {
  alignas(kLine) std::int32_t sums[kBlock * kOutputs];
  const Activations& x = *call.x;
  const panel::Finish finish = panel::finish_for(layer, call);
  const int first_step = steps_of(call.first_input), per_chunk = chunk_steps(layer);
  const int end_step = first_step + steps_of(x.cols());
  const int blocks = (x.rows() + kBlock - 1) / kBlock;
  const EvenParts even(x.rows(), blocks);
  const auto* packed = reinterpret_cast<const char*>(call.packed);

  for (int chunk = first_step; chunk < end_step; chunk += per_chunk) {
    const int steps = std::min(per_chunk, end_step - chunk);
    const std::ptrdiff_t panel_bytes = static_cast<std::ptrdiff_t>(steps) * kStepBytes;
    const char* panels =
        packed + static_cast<std::ptrdiff_t>(chunk) * panels_of(layer) * kStepBytes;
    const auto part_of = [&](int row) {
      return x.row<std::int8_t>(row) + (chunk - first_step) * kGroup;
    };
    const int ahead = static_cast<int>(panel_bytes / kLine + blocks - 1) / blocks;
    for (int panel = first; panel < end; ++panel) {
      const char* weights = panels + panel * panel_bytes;
      for (int block = 0, row = 0, rows = 0; block < blocks; ++block, row += rows) {
        rows = even.size_of(block);
        kMultiply[static_cast<std::size_t>(rows) - 1](
            part_of(row), x.stride(), weights, steps,
            chunk == first_step ? x.sums() + row : nullptr, sums,
            {.weights = weights + panel_bytes + static_cast<std::ptrdiff_t>(block) * ahead * kLine,
             .lines = ahead,
             .results = panel::result_of(call, row, panel),
             .stride = call.result_stride});
        finish(sums, rows, panel::target_of(layer, call, row, panel, chunk == 0));
      }
    }
  }
}

}  // namespace

void multiply(const Layer& layer, const Call& call) {
  if (call.x->rows() == 0) return;
  const int first_panel = panels_of(call.first_output);
  for_each_range(panels_of(call.outputs), 1, [&](int first, int end) {
    multiply_panels(layer, call, first_panel + first, first_panel + end);
  });
}

PGMMR_INSTRUCTIONS_END
}  // namespace pgmmr::vnni

#else

#include "base/error.h"

namespace pgmmr::vnni {

std::size_t packed_bytes(const Layer&) { return 0; }
void pack(const Layer&, const float*, const float*, std::byte*) {}
void multiply(const Layer&, const Call&) {
  throw Error(ErrorKind::kInternal, "multiplying with VNNI, which this CPU does not have");
}

}  // namespace pgmmr::vnni

#endif
