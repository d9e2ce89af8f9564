#include "nn/attention.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/error.h"
#include "nn/cpu.h"
#include "nn/float_attention.h"
#include "nn/tile_attention.h"
#include "nn/vector.h"

namespace pgmmr {
namespace {

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
                                floats::scratch_size(padded_keys, padded_dim));
  float* const values = turned + turned_size;
  float* const keys = values + values_size;
  float* const queries = keys + keys_size;
  float* const out = queries + rows_size;

  floats::Head head{.queries = queries,
                    .keys = turned,
                    .values = values,
                    .out = out,
                    .query_stride = head_dim,
                    .value_stride = padded_dim,
                    .out_stride = head_dim,
                    .query_count = call.query_count,
                    .key_count = call.key_count,
                    .dim = head_dim,
                    .padded_keys = padded_keys,
                    .padded_dim = padded_dim,
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
      head.upcoming = {.parts = {{head.queries + head_dim, width, call.query_count},
                                 {key_rows + head_dim, stride, call.key_count},
                                 {key_rows + width + head_dim, stride, call.key_count}},
                       .width = head_dim};
    }
  }
  floats::attend(head, out + rows_size);
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
