#include "nn/float_attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "nn/cpu.h"
#include "nn/parallel.h"
#include "nn/vector.h"

namespace pgmmr::floats {
namespace {

using vector::Eight;
using vector::Floats;
using vector::kLanes;

// A tile's scores stay in the second-level cache up to 577 keys (ViT-L/14 at 336 pixels).
constexpr int kTile = 48;
// Rows whose sums of two vectors stay in registers: of AVX-512's thirty-two, of AVX2's sixteen.
constexpr int kWideRows = 12, kNarrowRows = 6;

// c[kRows, kVectors vectors] = a[kRows, depth] * b[depth, the same]
template <typename Vector, int kVectors, int kRows>
PGMMR_INLINE void multiply_block(const float* a, std::ptrdiff_t a_stride, const float* b,
                                 std::ptrdiff_t b_stride, int depth, float* c,
                                 std::ptrdiff_t c_stride) {
  constexpr int kOwnLanes = vector::lanes_of<Vector>();
  // Rows are reached from every fourth: x86 adds one, two or four strides for nothing.
  constexpr int kFours = (kRows + 3) / 4;
  const std::ptrdiff_t thrice = 3 * a_stride;
  const float* at[kFours];
  for (int r = 0; r < kFours; ++r) at[r] = a + 4 * r * a_stride;
  Vector sums[kRows][kVectors] = {};
  for (int k = 0; k < depth; ++k, b += b_stride) {
    Vector columns[kVectors];
    PGMMR_UNROLL
    for (int v = 0; v < kVectors; ++v) vector::load(b + v * kOwnLanes, columns[v]);
    PGMMR_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const float value = at[r / 4][r % 4 == 3 ? thrice : (r % 4) * a_stride];
      PGMMR_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[r][v] += value * columns[v];
    }
    PGMMR_UNROLL
    for (int r = 0; r < kFours; ++r) ++at[r];
  }
  PGMMR_UNROLL
  for (int r = 0; r < kRows; ++r) {
    PGMMR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      vector::store(sums[r][v], c + r * c_stride + v * kOwnLanes);
    }
  }
}

template <typename Vector, int kVectors, int kRows>
PGMMR_INLINE void multiply_rows(const float* a, std::ptrdiff_t a_stride, const float* b,
                                std::ptrdiff_t b_stride, int rows, int depth, float* c,
                                std::ptrdiff_t c_stride) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return multiply_rows<Vector, kVectors, kRows - 1>(a, a_stride, b, b_stride, rows, depth, c,
                                                        c_stride);
    }
  }
  multiply_block<Vector, kVectors, kRows>(a, a_stride, b, b_stride, depth, c, c_stride);
}

// A few rows of what is upcoming, after each block of a product.
PGMMR_INLINE void fetch_some(Upcoming& upcoming) {
  constexpr int kRows = 3;
  for (Upcoming::Rows& part : upcoming.parts) {
    const int some = std::min(part.count, kRows);
    for (int row = 0; row < some; ++row, part.first += part.stride) {
      for (int at = 0; at < upcoming.width; at += kLanes) __builtin_prefetch(part.first + at, 0, 2);
    }
    part.count -= some;
  }
}

// c[rows, columns] = a[rows, depth] * b[depth, columns]; columns is a multiple of kLanes.
template <typename Vector, int kMostRows>
PGMMR_INLINE void multiply(const float* a, std::ptrdiff_t a_stride, const float* b,
                           std::ptrdiff_t b_stride, int rows, int depth, int columns, float* c,
                           std::ptrdiff_t c_stride, Upcoming& upcoming) {
  constexpr int kPair = 2 * vector::lanes_of<Vector>();
  const int blocks = (rows + kMostRows - 1) / kMostRows;
  const EvenParts even(rows, blocks);
  for (int j = 0; j < columns; j += kPair) {
    for (int block = 0, i = 0, count = 0; block < blocks; ++block, i += count) {
      count = even.size_of(block);
      const float* const from = a + i * a_stride;
      float* const to = c + i * c_stride + j;
      if (kPair <= kLanes || j + kPair <= columns) {
        multiply_rows<Vector, 2, kMostRows>(from, a_stride, b + j, b_stride, count, depth, to,
                                            c_stride);
      } else {
        multiply_rows<Vector, 1, kMostRows>(from, a_stride, b + j, b_stride, count, depth, to,
                                            c_stride);
      }
      fetch_some(upcoming);
    }
  }
}

// Softmax of up to kTile rows times scale, each over its first `seen` values, with one_more each
// over one more than the row before; the rest of its padded values become zero. What follows in one
// row waits for what was before, so each step is taken for all rows.
template <typename Vector>
PGMMR_INLINE void softmax(float* scores, std::ptrdiff_t stride, int rows, int seen, bool one_more,
                          int padded, float scale) {
  constexpr int kOwnLanes = vector::lanes_of<Vector>();
  float tops[kTile], units[kTile];
  Vector value;
  for (int i = 0; i < rows; ++i) {
    float* const row = scores + i * stride;
    const int seen_here = one_more ? seen + i : seen;
    Vector largest = Vector{} - INFINITY;
    for (int j = 0; j < padded; j += kOwnLanes) {
      vector::load(row + j, value);
      if (j + kOwnLanes > seen_here) {
        vector::set_from(seen_here - j, -INFINITY, value);
        vector::store(value, row + j);
      }
      largest = value > largest ? value : largest;
    }
    tops[i] = vector::largest_of(largest);
  }
  for (int i = 0; i < rows; ++i) {
    float* const row = scores + i * stride;
    Vector sums = {};
    for (int j = 0; j < padded; j += kOwnLanes) {
      vector::load(row + j, value);
      value = (value - tops[i]) * scale;
      vector::exponential(value);
      vector::store(value, row + j);
      sums += value;
    }
    units[i] = 1 / vector::sum_of(sums);
  }
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < padded; j += kOwnLanes) {
      float* const at = scores + i * stride + j;
      vector::load(at, value);
      value *= units[i];
      vector::store(value, at);
    }
  }
}

template <typename Vector, int kMostRows>
PGMMR_INLINE void attend_in(const Head& head, float* scores, float* result) {
  const float scale = 1 / std::sqrt(static_cast<float>(head.dim));
  // A head of whole vectors is stored where it belongs.
  const bool direct = head.padded_dim == head.dim;
  const std::ptrdiff_t result_stride = direct ? head.out_stride : head.padded_dim;
  Upcoming upcoming = head.upcoming;
  const int tiles = (head.query_count + kTile - 1) / kTile;
  for (int tile = 0; tile < tiles; ++tile) {
    const int first = start_of_part(head.query_count, tile, tiles);
    const int rows = start_of_part(head.query_count, tile + 1, tiles) - first;
    float* const out = head.out + first * head.out_stride;
    // With a causal mask the tile's last row sees the most keys.
    const int seen_by_tile = head.causal ? first + rows : head.key_count;
    const int columns = vector::round_up(seen_by_tile);
    multiply<Vector, kMostRows>(head.queries + first * head.query_stride, head.query_stride,
                                head.keys, head.padded_keys, rows, head.dim, columns, scores,
                                head.padded_keys, upcoming);
    softmax<Vector>(scores, head.padded_keys, rows, head.causal ? first + 1 : head.key_count,
                    head.causal, columns, scale);
    multiply<Vector, kMostRows>(scores, head.padded_keys, head.values, head.value_stride, rows,
                                seen_by_tile, head.padded_dim, direct ? out : result, result_stride,
                                upcoming);
    for (int i = 0; i < rows && !direct; ++i) {
      std::copy_n(result + i * result_stride, head.dim, out + i * head.out_stride);
    }
  }
}

PGMMR_CLONES void attend_narrow(const Head& head, float* scores, float* result) {
  attend_in<Eight, kNarrowRows>(head, scores, result);
}
PGMMR_WIDE void attend_wide(const Head& head, float* scores, float* result) {
  attend_in<Floats, kWideRows>(head, scores, result);
}

}  // namespace

std::size_t scratch_size(int padded_keys, int padded_dim) {
  return std::size_t{kTile} * static_cast<std::size_t>(padded_keys + padded_dim);
}

void attend(const Head& head, float* scratch) {
  const auto attend_head = cpu().avx512 ? attend_wide : attend_narrow;
  attend_head(head, scratch, scratch + std::ptrdiff_t{kTile} * head.padded_keys);
}

}  // namespace pgmmr::floats
