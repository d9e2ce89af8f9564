#include "nn/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "nn/cpu.h"
#include "nn/parallel.h"
#include "nn/tile_attention.h"
#include "nn/vector.h"

namespace pgmmr {
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

// What the next head will read. Of many pictures it lies beyond the second-level cache, so it is
// fetched into it while this head is computed, a few rows after each block of a product.
struct Upcoming {
  struct Rows {
    const float* first;
    std::ptrdiff_t stride;
  };
  Rows parts[3];  // queries, keys and values
  int rows = 0, width = 0;

  PGMMR_INLINE void fetch_some() {
    constexpr int kRows = 3;
    const int some = std::min(rows, kRows);
    for (int row = 0; row < some; ++row) {
      for (Rows& part : parts) {
        for (int at = 0; at < width; at += kLanes) __builtin_prefetch(part.first + at, 0, 2);
        part.first += part.stride;
      }
    }
    rows -= some;
  }
};

// c[rows, columns] = a[rows, depth] * b[depth, columns]; columns is a multiple of kLanes.
template <typename Vector, int kMostRows>
PGMMR_INLINE void multiply(const float* a, std::ptrdiff_t a_stride, const float* b,
                           std::ptrdiff_t b_stride, int rows, int depth, int columns, float* c,
                           std::ptrdiff_t c_stride, Upcoming& upcoming) {
  constexpr int kPair = 2 * vector::lanes_of<Vector>();
  const int blocks = (rows + kMostRows - 1) / kMostRows;
  for (int j = 0; j < columns; j += kPair) {
    for (int block = 0; block < blocks; ++block) {
      const int i = start_of_part(rows, block, blocks);
      const int count = start_of_part(rows, block + 1, blocks) - i;
      const float* const from = a + i * a_stride;
      float* const to = c + i * c_stride + j;
      if (kPair <= kLanes || j + kPair <= columns) {
        multiply_rows<Vector, 2, kMostRows>(from, a_stride, b + j, b_stride, count, depth, to,
                                            c_stride);
      } else {
        multiply_rows<Vector, 1, kMostRows>(from, a_stride, b + j, b_stride, count, depth, to,
                                            c_stride);
      }
      upcoming.fetch_some();
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

struct Head {
  const float* queries;
  std::ptrdiff_t query_stride;
  const float* keys;    // [head_dim, padded_keys]: transposed, so that a vector holds 16 keys
  const float* values;  // [key_count, padded_dim]
  float* out;
  std::ptrdiff_t out_stride;
  int query_count, key_count, head_dim, padded_keys, padded_dim;
  std::ptrdiff_t value_stride;
  bool causal;
  Upcoming upcoming;
};

template <typename Vector, int kMostRows>
PGMMR_INLINE void attend_head_in(const Head& head, float* scores, float* result) {
  const float scale = 1 / std::sqrt(static_cast<float>(head.head_dim));
  // A head of whole vectors is stored where it belongs.
  const bool direct = head.padded_dim == head.head_dim;
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
                                head.keys, head.padded_keys, rows, head.head_dim, columns, scores,
                                head.padded_keys, upcoming);
    softmax<Vector>(scores, head.padded_keys, rows, head.causal ? first + 1 : head.key_count,
                    head.causal, columns, scale);
    multiply<Vector, kMostRows>(scores, head.padded_keys, head.values, head.value_stride, rows,
                                seen_by_tile, head.padded_dim, direct ? out : result, result_stride,
                                upcoming);
    for (int i = 0; i < rows && !direct; ++i) {
      std::copy_n(result + i * result_stride, head.head_dim, out + i * head.out_stride);
    }
  }
}

PGMMR_CLONES void attend_narrow(const Head& head, float* scores, float* result) {
  attend_head_in<Eight, kNarrowRows>(head, scores, result);
}
PGMMR_WIDE void attend_wide(const Head& head, float* scores, float* result) {
  attend_head_in<Floats, kWideRows>(head, scores, result);
}

// Packed keys and values, scores and results; a thread keeps them between calls.
float* scratch(std::size_t floats) {
  thread_local std::vector<float> kept;
  if (kept.size() < floats) kept.resize(floats);
  return kept.data();
}

void check(const AttentionCall& call, int first_head, int end_head) {
  const auto within = [](int first, int count, int rows) {
    return first >= 0 && count >= 0 && first <= rows && count <= rows - first;
  };
  const int width = call.queries->cols();
  const Number number = call.queries->number();
  if (call.heads < 1 || width % call.heads != 0 || call.keys_values->cols() != 2 * width ||
      call.out->cols() != width || call.key_count < 1 ||
      !within(call.first_query, call.query_count, call.queries->rows()) ||
      !within(call.first_query, call.query_count, call.out->rows()) ||
      !within(call.first_key, call.key_count, call.keys_values->rows()) ||
      (call.causal && call.query_count != call.key_count) || number == Number::kInt8 ||
      call.keys_values->number() != number || call.out->number() != number || first_head < 0 ||
      end_head > call.heads) {
    throw Error(ErrorKind::kInternal, "attention was given activations of another shape");
  }
}

std::size_t size(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

typedef float Quad __attribute__((vector_size(16)));
typedef float UnalignedQuad __attribute__((vector_size(16), aligned(4), may_alias));

// to[0 .. 3, i] = from[i, 0 .. 3] for four i; strides in floats.
PGMMR_INLINE void turn_four(const float* from, std::ptrdiff_t from_stride, float* to,
                            std::ptrdiff_t to_stride) {
  Quad rows[4];
  PGMMR_UNROLL
  for (int i = 0; i < 4; ++i) {
    rows[i] = *reinterpret_cast<const UnalignedQuad*>(from + i * from_stride);
  }
  const Quad low_upper = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5);
  const Quad high_upper = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7);
  const Quad low_lower = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
  const Quad high_lower = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);
  const Quad columns[4] = {__builtin_shufflevector(low_upper, low_lower, 0, 1, 4, 5),
                           __builtin_shufflevector(low_upper, low_lower, 2, 3, 6, 7),
                           __builtin_shufflevector(high_upper, high_lower, 0, 1, 4, 5),
                           __builtin_shufflevector(high_upper, high_lower, 2, 3, 6, 7)};
  PGMMR_UNROLL
  for (int i = 0; i < 4; ++i) *reinterpret_cast<UnalignedQuad*>(to + i * to_stride) = columns[i];
}

// to[dim, padded_keys] = keys[key_count, dim] turned; zero where there is no key.
void turn_keys(const float* keys, std::ptrdiff_t stride, int key_count, int dim, int padded_keys,
               float* to) {
  const int in_fours = key_count / 4 * 4, dim_in_fours = dim / 4 * 4;
  for (int j = 0; j < in_fours; j += 4) {
    for (int c = 0; c < dim_in_fours; c += 4) {
      turn_four(keys + j * stride + c, stride, to + std::ptrdiff_t{c} * padded_keys + j,
                padded_keys);
    }
  }
  for (int c = 0; c < dim; ++c) {
    float* const row = to + std::ptrdiff_t{c} * padded_keys;
    for (int j = c < dim_in_fours ? in_fours : 0; j < key_count; ++j) row[j] = keys[j * stride + c];
    std::fill(row + key_count, row + padded_keys, 0.0f);
  }
}

// [count, dim] of float32 at `to`, each row padded with zeros.
void widen_rows(const Bf16* from, std::ptrdiff_t stride, int count, int dim, int padded_dim,
                float* to) {
  for (int i = 0; i < count; ++i, from += stride, to += padded_dim) {
    for (int c = 0; c < dim; ++c) to[c] = from_bf16(from[c]);
    std::fill(to + dim, to + padded_dim, 0.0f);
  }
}

void copy_rows(const float* from, std::ptrdiff_t stride, int count, int dim, int padded_dim,
               float* to) {
  for (int i = 0; i < count; ++i, from += stride, to += padded_dim) {
    std::fill(std::copy_n(from, dim, to), to + padded_dim, 0.0f);
  }
}

// One head in float32, whatever it is stored as. Rows of float32 are read where they are; values
// only where a head is whole vectors, since vectors of them are read.
//   last  no head of these rows follows
void attend_in_float(const AttentionCall& call, int h, bool last) {
  const int width = call.queries->cols();
  const int head_dim = width / call.heads, column = h * head_dim;
  const int padded_keys = vector::round_up(call.key_count);
  const int padded_dim = vector::round_up(head_dim);
  const bool halves = call.queries->number() == Number::kBf16;
  const std::size_t turned_size = size(head_dim, padded_keys);
  const std::size_t values_size = size(call.key_count, padded_dim);
  const std::size_t keys_size = halves ? size(call.key_count, head_dim) : 0;
  const std::size_t rows_size = halves ? size(call.query_count, head_dim) : 0;
  float* const turned = scratch(turned_size + values_size + keys_size + 2 * rows_size +
                                size(kTile, padded_keys + padded_dim));
  float* const values = turned + turned_size;
  float* const keys = values + values_size;
  float* const queries = keys + keys_size;
  float* const out = queries + rows_size;
  float* const scores = out + rows_size;

  Head head{.queries = queries,
            .query_stride = head_dim,
            .keys = turned,
            .values = values,
            .out = out,
            .out_stride = head_dim,
            .query_count = call.query_count,
            .key_count = call.key_count,
            .head_dim = head_dim,
            .padded_keys = padded_keys,
            .padded_dim = padded_dim,
            .value_stride = padded_dim,
            .causal = call.causal,
            .upcoming = {}};
  const std::ptrdiff_t stride = 2 * std::ptrdiff_t{width};  // of keys and values
  if (halves) {
    const Bf16* const key_rows = call.keys_values->row<Bf16>(call.first_key) + column;
    widen_rows(key_rows, stride, call.key_count, head_dim, head_dim, keys);
    widen_rows(key_rows + width, stride, call.key_count, head_dim, padded_dim, values);
    widen_rows(call.queries->row<Bf16>(call.first_query) + column, width, call.query_count,
               head_dim, head_dim, queries);
    turn_keys(keys, head_dim, call.key_count, head_dim, padded_keys, turned);
  } else {
    const float* const key_rows = call.keys_values->row<float>(call.first_key) + column;
    turn_keys(key_rows, stride, call.key_count, head_dim, padded_keys, turned);
    if (head_dim == padded_dim) {
      head.values = key_rows + width;
      head.value_stride = stride;
    } else {
      copy_rows(key_rows + width, stride, call.key_count, head_dim, padded_dim, values);
    }
    head.queries = call.queries->row<float>(call.first_query) + column;
    head.out = call.out->row<float>(call.first_query) + column;
    head.query_stride = head.out_stride = width;
    if (!last) {
      head.upcoming = {.parts = {{head.queries + head_dim, width},
                                 {key_rows + head_dim, stride},
                                 {key_rows + width + head_dim, stride}},
                       .rows = call.key_count,
                       .width = head_dim};
    }
  }
  const auto attend_head = cpu().avx512 ? attend_wide : attend_narrow;
  attend_head(head, scores, scores + size(kTile, padded_keys));
  if (!halves) return;
  for (int i = 0; i < call.query_count; ++i) {
    Bf16* const row = call.out->row<Bf16>(call.first_query + i) + column;
    const float* const from = out + std::ptrdiff_t{i} * head_dim;
    for (int c = 0; c < head_dim; ++c) row[c] = to_bf16(from[c]);
  }
}

void attend_on_tiles(const AttentionCall& call, int h) {
  const int width = call.queries->cols();
  const int head_dim = width / call.heads, column = h * head_dim;
  const Bf16* keys = call.keys_values->row<Bf16>(call.first_key) + column;
  tiles::attend({.queries = call.queries->row<Bf16>(call.first_query) + column,
                 .keys = keys,
                 .values = keys + width,
                 .out = call.out->row<Bf16>(call.first_query) + column,
                 .query_stride = call.queries->stride(),
                 .key_stride = call.keys_values->stride(),
                 .out_stride = call.out->stride(),
                 .query_count = call.query_count,
                 .key_count = call.key_count,
                 .dim = head_dim,
                 .causal = call.causal});
}

}  // namespace

void attend(const AttentionCall& call, int first_head, int end_head) {
  check(call, first_head, end_head);
  if (call.query_count == 0) return;
  const bool halves = call.queries->number() == Number::kBf16;
  for (int h = first_head; h < end_head; ++h) {
    if (halves && cpu().amx) {
      attend_on_tiles(call, h);
    } else {
      attend_in_float(call, h, h + 1 == end_head);
    }
  }
}

}  // namespace pgmmr
