#include "nn/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "nn/vector.h"

namespace pgmmr {
namespace {

using vector::Floats;
using vector::Ints;
using vector::kLanes;

// A tile's scores stay in the second-level cache up to 577 keys (ViT-L/14 at 336 pixels).
constexpr int kTile = 48;
// Rows a kernel keeps in registers: six accumulators fit AVX2's sixteen registers beside the rest.
constexpr int kBlock = 6;

// c[R, 16] = a[R, depth] * b[depth, 16]
template <int R>
PGMMR_INLINE void multiply_block(const float* a, std::ptrdiff_t a_stride, const float* b,
                                 std::ptrdiff_t b_stride, int depth, float* c,
                                 std::ptrdiff_t c_stride) {
  Floats sums[R] = {};
  for (int k = 0; k < depth; ++k) {
    Floats column;
    vector::load(b + k * b_stride, column);
    for (int r = 0; r < R; ++r) sums[r] += a[r * a_stride + k] * column;
  }
  for (int r = 0; r < R; ++r) vector::store(sums[r], c + r * c_stride);
}

// c[rows, columns] = a[rows, depth] * b[depth, columns]; columns is a multiple of the lanes.
PGMMR_INLINE void multiply(const float* a, std::ptrdiff_t a_stride, const float* b,
                           std::ptrdiff_t b_stride, int rows, int depth, int columns, float* c,
                           std::ptrdiff_t c_stride) {
  for (int j = 0; j < columns; j += kLanes) {
    int i = 0;
    for (; i + kBlock <= rows; i += kBlock) {
      multiply_block<kBlock>(a + i * a_stride, a_stride, b + j, b_stride, depth,
                             c + i * c_stride + j, c_stride);
    }
    const float* rest = a + i * a_stride;
    float* to = c + i * c_stride + j;
    switch (rows - i) {
      case 5:
        multiply_block<5>(rest, a_stride, b + j, b_stride, depth, to, c_stride);
        break;
      case 4:
        multiply_block<4>(rest, a_stride, b + j, b_stride, depth, to, c_stride);
        break;
      case 3:
        multiply_block<3>(rest, a_stride, b + j, b_stride, depth, to, c_stride);
        break;
      case 2:
        multiply_block<2>(rest, a_stride, b + j, b_stride, depth, to, c_stride);
        break;
      case 1:
        multiply_block<1>(rest, a_stride, b + j, b_stride, depth, to, c_stride);
        break;
      default:
        break;
    }
  }
}

// e^x for x <= 0, to 2 units in the last place: Cephes expf, x = n ln 2 + r, a polynomial in r.
PGMMR_INLINE void exponential(Floats& x) {
  constexpr float kLowest = -87.0f;  // e^x is the smallest normal number a little below
  const Floats lowest = Floats{} + kLowest;
  x = x < lowest ? lowest : x;
  const Ints n = __builtin_convertvector(x * 1.44269504f - 0.5f, Ints);  // rounds towards zero
  const Floats whole = __builtin_convertvector(n, Floats);
  const Floats r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  x = p * reinterpret_cast<Floats>((n + 127) << 23);
}

// Softmax over the first seen of row's padded values times scale; the rest becomes zero.
PGMMR_INLINE void softmax(float* row, int seen, int padded, float scale) {
  for (int j = seen; j < padded; ++j) row[j] = -INFINITY;
  Floats tops, value;
  vector::load(row, tops);
  for (int j = kLanes; j < padded; j += kLanes) {
    vector::load(row + j, value);
    tops = value > tops ? value : tops;
  }
  float top = tops[0];
  for (int lane = 1; lane < kLanes; ++lane) top = tops[lane] > top ? tops[lane] : top;
  Floats sums = {};
  for (int j = 0; j < padded; j += kLanes) {
    vector::load(row + j, value);
    value = (value - top) * scale;
    exponential(value);
    vector::store(value, row + j);
    sums += value;
  }
  float sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += sums[lane];
  const float unit = 1 / sum;
  for (int j = 0; j < padded; j += kLanes) {
    vector::load(row + j, value);
    value *= unit;
    vector::store(value, row + j);
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
};

PGMMR_CLONES void attend_head(const Head& head, float* scores, float* result) {
  const float scale = 1 / std::sqrt(static_cast<float>(head.head_dim));
  for (int first = 0; first < head.query_count; first += kTile) {
    const int rows = std::min(kTile, head.query_count - first);
    // With a causal mask the tile's last row sees the most keys.
    const int seen_by_tile = head.causal ? first + rows : head.key_count;
    const int columns = vector::round_up(seen_by_tile);
    multiply(head.queries + first * head.query_stride, head.query_stride, head.keys,
             head.padded_keys, rows, head.head_dim, columns, scores, head.padded_keys);
    for (int i = 0; i < rows; ++i) {
      const int seen = head.causal ? first + i + 1 : head.key_count;
      softmax(scores + static_cast<std::ptrdiff_t>(i) * head.padded_keys, seen, columns, scale);
    }
    multiply(scores, head.padded_keys, head.values, head.value_stride, rows, seen_by_tile,
             head.padded_dim, result, head.padded_dim);
    for (int i = 0; i < rows; ++i) {
      std::copy_n(result + static_cast<std::ptrdiff_t>(i) * head.padded_dim, head.head_dim,
                  head.out + (first + i) * head.out_stride);
    }
  }
}

// Packed keys and values, scores and results; a thread keeps them between calls.
float* scratch(std::size_t floats) {
  thread_local std::vector<float> kept;
  if (kept.size() < floats) kept.resize(floats);
  return kept.data();
}

void check(const AttentionCall& call) {
  const auto within = [](int first, int count, int rows) {
    return first >= 0 && count >= 0 && first <= rows && count <= rows - first;
  };
  const int width = call.queries->cols();
  if (call.heads < 1 || width % call.heads != 0 || call.keys_values->cols() != 2 * width ||
      call.out->cols() != width || call.key_count < 1 ||
      !within(call.first_query, call.query_count, call.queries->rows()) ||
      !within(call.first_query, call.query_count, call.out->rows()) ||
      !within(call.first_key, call.key_count, call.keys_values->rows()) ||
      (call.causal && call.query_count != call.key_count)) {
    throw Error(ErrorKind::kInternal, "attention was given matrices of another shape");
  }
}

}  // namespace

void attend(const AttentionCall& call) {
  check(call);
  if (call.query_count == 0) return;
  const int width = call.queries->cols();
  const int head_dim = width / call.heads;
  const int padded_keys = vector::round_up(call.key_count);
  const int padded_dim = vector::round_up(head_dim);
  const auto size = [](int a, int b) {
    return static_cast<std::size_t>(a) * static_cast<std::size_t>(b);
  };
  const std::size_t keys_size = size(head_dim, padded_keys);
  const std::size_t values_size = size(call.key_count, padded_dim);
  float* keys = scratch(keys_size + values_size + size(kTile, padded_keys + padded_dim));
  float* values = keys + keys_size;
  float* scores = values + values_size;
  float* result = scores + size(kTile, padded_keys);

  for (int h = 0; h < call.heads; ++h) {
    const int column = h * head_dim;
    for (int j = 0; j < padded_keys; ++j) {
      if (j >= call.key_count) {
        for (int c = 0; c < head_dim; ++c)
          keys[size(c, padded_keys) + static_cast<std::size_t>(j)] = 0;
        continue;
      }
      const float* row = call.keys_values->row(call.first_key + j).data();
      for (int c = 0; c < head_dim; ++c) {
        keys[size(c, padded_keys) + static_cast<std::size_t>(j)] = row[column + c];
      }
      float* value = values + size(j, padded_dim);
      std::copy_n(row + width + column, head_dim, value);
      std::fill(value + head_dim, value + padded_dim, 0.0f);
    }
    attend_head({.queries = call.queries->row(call.first_query).data() + column,
                 .query_stride = width,
                 .keys = keys,
                 .values = values,
                 .out = call.out->row(call.first_query).data() + column,
                 .out_stride = width,
                 .query_count = call.query_count,
                 .key_count = call.key_count,
                 .head_dim = head_dim,
                 .padded_keys = padded_keys,
                 .padded_dim = padded_dim,
                 .value_stride = padded_dim,
                 .causal = call.causal},
                scores, result);
  }
}

}  // namespace pgmmr
