#include "nn/tile_attention.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "nn/amx.h"
#include "nn/vector.h"

#if defined(__x86_64__)

namespace pgmmr::tiles {
namespace {

using amx::kTileBytes;
using amx::kTileRows;

constexpr int kTile = kTileRows * kTileBytes;  // bytes
constexpr int kGroup = 4;                      // tiles of sums at once
// Rows that take each step before the next: what is stored must reach the cache before tiles of it
// are loaded.
constexpr int kRows = 4 * kTileRows;

constexpr int ceiling(int a, int b) { return (a + b - 1) / b; }

// What a head needs besides its rows; a thread keeps it.
struct Scratch {
  char* keys;     // tiles of 16 keys by 32 dimensions, as weights: [key tile][dimension step]
  char* values;   // tiles of 32 keys by 16 dimensions, as weights: [key step][dimension tile]
  char* queries;  // [kRows, steps of 32 dimensions], where rows can't be read in place
  float* scores;  // [kRows, key tiles * 16]
  char* shares;   // bf16 [kRows, key steps * 32]
  float* sums;    // [kRows, dimension tiles * 16]
};

struct Sizes {
  explicit Sizes(const Head& head)
      : key_tiles(ceiling(head.key_count, kTileRows)),
        key_steps(ceiling(head.key_count, 32)),
        dim_steps(ceiling(head.dim, 32)) {}
  int key_tiles, key_steps, dim_steps;
  int dim_tiles() const { return 2 * dim_steps; }
  int score_stride() const { return (2 * key_steps) * 16; }  // floats
};

Scratch scratch_for(const Sizes& sizes) {
  struct Free {
    void operator()(char* p) const noexcept { std::free(p); }
  };
  thread_local std::unique_ptr<char, Free> block;
  thread_local std::size_t capacity = 0;
  const auto bytes = [](int count, int each) {
    return static_cast<std::size_t>(count) * static_cast<std::size_t>(each);
  };
  const std::size_t keys = bytes(sizes.key_tiles * sizes.dim_steps, kTile);
  const std::size_t values = bytes(sizes.key_steps * sizes.dim_tiles(), kTile);
  const std::size_t queries = bytes(kRows * sizes.dim_steps, kTileBytes);
  const std::size_t scores = bytes(kRows * sizes.score_stride(), sizeof(float));
  const std::size_t shares = bytes(kRows * sizes.key_steps, kTileBytes);
  const std::size_t sums = bytes(kRows * sizes.dim_tiles(), kTileBytes);
  const std::size_t all = keys + values + queries + scores + shares + sums;
  if (all > capacity) {
    block.reset(static_cast<char*>(std::aligned_alloc(64, all)));
    capacity = block ? all : 0;
    if (!block) throw std::bad_alloc();
    std::memset(block.get(), 0, all);
  }
  char* at = block.get();
  const auto take = [&](std::size_t size) { return std::exchange(at, at + size); };
  Scratch scratch{};
  scratch.keys = take(keys);
  scratch.values = take(values);
  scratch.queries = take(queries);
  scratch.scores = reinterpret_cast<float*>(take(scores));
  scratch.shares = take(shares);
  scratch.sums = reinterpret_cast<float*>(take(sums));
  return scratch;
}

}  // namespace

PGMMR_AMX_BEGIN
namespace {

template <typename T>
const T* row(const T* first, std::ptrdiff_t stride, int i) {
  return reinterpret_cast<const T*>(reinterpret_cast<const char*>(first) + i * stride);
}

// Of 32 dimensions from first on, those that the head has.
inline __mmask32 dim_mask(const Head& head, int first) {
  const int count = head.dim - first;
  return count >= 32 ? 0xFFFFFFFFu : count <= 0 ? 0u : (1u << count) - 1;
}

// 16 rows of 16 words to 16 columns.
PGMMR_INLINE void transpose(__m512i (&r)[16]) {
  __m512i t[16];
  PGMMR_UNROLL
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  PGMMR_UNROLL
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  PGMMR_UNROLL
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  PGMMR_UNROLL
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// A weights' tile has a row for each pair of dimensions: the keys' rows of words, transposed.
void pack_keys(const Head& head, const Sizes& sizes, char* to) {
  for (int tile = 0; tile < sizes.key_tiles; ++tile) {
    for (int step = 0; step < sizes.dim_steps; ++step, to += kTile) {
      const __mmask32 mask = dim_mask(head, step * 32);
      __m512i words[16];
      PGMMR_UNROLL
      for (int i = 0; i < 16; ++i) {
        const int key = tile * kTileRows + i;
        words[i] =
            key < head.key_count
                ? _mm512_maskz_loadu_epi16(mask, row(head.keys, head.key_stride, key) + step * 32)
                : _mm512_setzero_si512();
      }
      transpose(words);
      PGMMR_UNROLL
      for (int i = 0; i < 16; ++i) _mm512_store_si512(to + i * kTileBytes, words[i]);
    }
  }
}

// A weights' tile has a row for each pair of keys: the two rows of values, interleaved.
void pack_values(const Head& head, const Sizes& sizes, char* to) {
  alignas(64) static constexpr std::uint16_t kLow[32] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,
                                                         37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
                                                         11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  const __m512i low = _mm512_load_si512(kLow);
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  for (int pair = 0; pair < sizes.key_steps * 16; ++pair) {
    for (int step = 0; step < sizes.dim_steps; ++step) {
      const __mmask32 mask = dim_mask(head, step * 32);
      const auto load = [&](int key) {
        return key < head.key_count ? _mm512_maskz_loadu_epi16(
                                          mask, row(head.values, head.key_stride, key) + step * 32)
                                    : _mm512_setzero_si512();
      };
      const __m512i even = load(2 * pair), odd = load(2 * pair + 1);
      char* tile =
          to + ((pair / 16) * sizes.dim_tiles() + 2 * step) * kTile + pair % 16 * kTileBytes;
      _mm512_store_si512(tile, _mm512_permutex2var_epi16(even, low, odd));
      _mm512_store_si512(tile + kTile, _mm512_permutex2var_epi16(even, high, odd));
    }
  }
}

// The same row of what is probably the next head: its columns follow.
void fetch_next_head(const Head& head, int i) {
  for (const Bf16* columns :
       {row(head.queries, head.query_stride, i), row(head.keys, head.key_stride, i),
        row(head.values, head.key_stride, i)}) {
    for (int k = head.dim; k < 2 * head.dim; k += 32) _mm_prefetch(columns + k, _MM_HINT_T0);
  }
}

// sums[16, tiles * 16] = a[16, steps * 32] * weights, whose tile (step, j) is at
// weights + step * step_bytes + j * tile_bytes.
void multiply(const char* a, std::ptrdiff_t stride, const char* weights, int steps, int tiles,
              std::ptrdiff_t step_bytes, std::ptrdiff_t tile_bytes, float* sums,
              std::ptrdiff_t sum_stride) {
  for (int j = 0; j < tiles; j += kGroup) {
    const int count = std::min(kGroup, tiles - j);
    const char* from = weights + j * tile_bytes;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int step = 0; step < steps; ++step, from += step_bytes) {
      _tile_loadd(4, a + step * kTileBytes, stride);
      _tile_loadd(6, from, kTileBytes);
      _tile_dpbf16ps(0, 4, 6);
      if (count > 1) {
        _tile_loadd(7, from + tile_bytes, kTileBytes);
        _tile_dpbf16ps(1, 4, 7);
      }
      if (count > 2) {
        _tile_loadd(6, from + 2 * tile_bytes, kTileBytes);
        _tile_dpbf16ps(2, 4, 6);
      }
      if (count > 3) {
        _tile_loadd(7, from + 3 * tile_bytes, kTileBytes);
        _tile_dpbf16ps(3, 4, 7);
      }
    }
    float* to = sums + j * 16;
    const std::ptrdiff_t bytes = sum_stride * static_cast<std::ptrdiff_t>(sizeof(float));
    _tile_stored(0, to, bytes);
    if (count > 1) _tile_stored(1, to + 16, bytes);
    if (count > 2) _tile_stored(2, to + 32, bytes);
    if (count > 3) _tile_stored(3, to + 48, bytes);
  }
}

// e^(scale (score - top)) of the first seen scores, in bf16; zero up to `padded`. Returns their
// sum.
float exponentials(const float* scores, int seen, int padded, float scale, char* shares) {
  const __m512 nothing = _mm512_set1_ps(-INFINITY);
  const auto load = [&](int j) {
    const int left = seen - j;
    const auto mask = static_cast<__mmask16>(left >= 16 ? 0xFFFF : left <= 0 ? 0 : (1 << left) - 1);
    return _mm512_mask_loadu_ps(nothing, mask, scores + j);
  };
  __m512 tops = nothing;
  for (int j = 0; j < seen; j += 16) tops = _mm512_max_ps(load(j), tops);
  const __m512 unit = _mm512_set1_ps(scale * 1.44269504f);
  const __m512 shift = _mm512_mul_ps(_mm512_set1_ps(_mm512_reduce_max_ps(tops)), unit);
  __m512 sum = _mm512_setzero_ps();
  for (int j = 0; j < padded; j += 16) {
    // Below 2^-126 powers would be denormal and bf16 lost: zero. So are the masked ones.
    const __m512 x = _mm512_fmsub_ps(load(j), unit, shift);
    const __mmask16 tiny = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-126.0f), _CMP_LT_OQ);
    const __m512 e = _mm512_mask_mov_ps(avx512::power_of_two(x), tiny, _mm512_setzero_ps());
    sum = _mm512_add_ps(sum, e);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(shares + j * 2),
                        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(e)));
  }
  return _mm512_reduce_add_ps(sum);
}

}  // namespace

void attend(const Head& head) {
  const Sizes sizes(head);
  const Scratch scratch = scratch_for(sizes);
  const amx::Configuration configuration(kTileRows, kTileRows);
  _tile_loadconfig(&configuration);
  pack_keys(head, sizes, scratch.keys);
  pack_values(head, sizes, scratch.values);
  const float scale = 1 / std::sqrt(static_cast<float>(head.dim));
  const int score_stride = sizes.score_stride(), sum_stride = sizes.dim_tiles() * 16;
  const std::ptrdiff_t share_stride = sizes.key_steps * std::ptrdiff_t{kTileBytes};
  const std::ptrdiff_t key_tile = static_cast<std::ptrdiff_t>(sizes.dim_steps) * kTile;

  for (int first = 0; first < head.query_count; first += kRows) {
    const int rows = std::min(kRows, head.query_count - first);
    const char* queries =
        reinterpret_cast<const char*>(row(head.queries, head.query_stride, first));
    std::ptrdiff_t query_stride = head.query_stride;
    if (head.dim % 32 != 0) {  // a step would take the next head's columns in
      query_stride = sizes.dim_steps * std::ptrdiff_t{kTileBytes};
      for (int i = 0; i < rows; ++i) {
        for (int step = 0; step < sizes.dim_steps; ++step) {
          const __m512i part =
              _mm512_maskz_loadu_epi16(dim_mask(head, step * 32),
                                       row(head.queries, head.query_stride, first + i) + step * 32);
          _mm512_store_si512(scratch.queries + i * query_stride + step * kTileBytes, part);
        }
      }
      queries = scratch.queries;
    }
    // With a causal mask a tile's last row sees the most keys.
    const auto seen_by_tile = [&](int i) {
      return head.causal ? std::min(head.key_count, first + std::min(i + kTileRows, rows))
                         : head.key_count;
    };
    for (int i = 0; i < rows; i += kTileRows) {
      multiply(queries + i * query_stride, query_stride, scratch.keys, sizes.dim_steps,
               ceiling(seen_by_tile(i), kTileRows), kTile, key_tile,
               scratch.scores + i * score_stride, score_stride);
    }
    float units[kRows];
    for (int i = 0; i < rows; ++i) {
      fetch_next_head(head, first + i);
      const int seen_by_row = head.causal ? first + i + 1 : head.key_count;
      const int steps = ceiling(seen_by_tile(i / kTileRows * kTileRows), 32);
      units[i] = 1 / exponentials(scratch.scores + i * score_stride, seen_by_row, steps * 32, scale,
                                  scratch.shares + i * share_stride);
    }
    for (int i = 0; i < rows; i += kTileRows) {
      multiply(scratch.shares + i * share_stride, share_stride, scratch.values,
               ceiling(seen_by_tile(i), 32), sizes.dim_tiles(),
               static_cast<std::ptrdiff_t>(sizes.dim_tiles()) * kTile, kTile,
               scratch.sums + i * sum_stride, sum_stride);
    }
    for (int i = 0; i < rows; ++i) {
      const __m512 unit = _mm512_set1_ps(units[i]);
      Bf16* out = const_cast<Bf16*>(row(head.out, head.out_stride, first + i));
      for (int k = 0; k < head.dim; k += 16) {
        const int left = head.dim - k;
        const auto mask = static_cast<__mmask16>(left >= 16 ? 0xFFFF : (1 << left) - 1);
        const __m512 value = _mm512_mul_ps(_mm512_load_ps(scratch.sums + i * sum_stride + k), unit);
        _mm256_mask_storeu_epi16(out + k, mask,
                                 reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
      }
    }
  }
  _tile_release();
}

PGMMR_AMX_END
}  // namespace pgmmr::tiles

#else

#include "base/error.h"

namespace pgmmr::tiles {

void attend(const Head&) {
  throw Error(ErrorKind::kInternal, "attention on tiles, which this CPU does not have");
}

}  // namespace pgmmr::tiles

#endif
