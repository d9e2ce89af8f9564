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

constexpr int kPanel = 32;                       // outputs
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
int panels_of(const Layer& layer) { return (layer.out + kPanel - 1) / kPanel; }
int chunk_steps(const Layer& layer) {
  return layer.epilogue == Epilogue::kAdd ? std::min(steps_of(layer), kChunkSteps)
                                          : steps_of(layer);
}

std::int8_t to_int8(float value, float scale) {
  return static_cast<std::int8_t>(std::isfinite(scale) && scale > 0 ? std::lround(value / scale)
                                                                    : 0);
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
              reinterpret_cast<std::int8_t*>(tile)[place] = to_int8(from[input], scales[output]);
            }
          }
        }
      }
    }
  }
}

PGMMR_AMX_BEGIN
namespace {

using amx::power_of_two;

inline __m512 quick_gelu(__m512 x) {
  const __m512 e = power_of_two(_mm512_mul_ps(x, _mm512_set1_ps(-1.702f * 1.44269504f)));
  return _mm512_mul_ps(x, _mm512_rcp14_ps(_mm512_add_ps(e, _mm512_set1_ps(1.0f))));
}

// erf by Abramowitz and Stegun 7.1.26, of |x| / sqrt(2).
inline __m512 gelu(__m512 x) {
  const __m512 z = _mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(0.70710678f));
  const __m512 d = _mm512_fmadd_ps(z, _mm512_set1_ps(0.3275911f), _mm512_set1_ps(1.0f));
  __m512 t = _mm512_rcp14_ps(d);
  t = _mm512_mul_ps(t, _mm512_fnmadd_ps(d, t, _mm512_set1_ps(2.0f)));
  __m512 p = _mm512_fmadd_ps(t, _mm512_set1_ps(1.061405429f), _mm512_set1_ps(-1.453152027f));
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(1.421413741f));
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-0.284496736f));
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.254829592f));
  p = _mm512_mul_ps(p, t);
  const __m512 e = power_of_two(_mm512_mul_ps(_mm512_mul_ps(z, z), _mm512_set1_ps(-1.44269504f)));
  // x (1 + erf) / 2, where 1 - |erf| is p e.
  const __m512 tail = _mm512_mul_ps(_mm512_mul_ps(p, e), _mm512_set1_ps(0.5f));
  const __mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
  const __m512 share =
      _mm512_mask_mov_ps(_mm512_sub_ps(_mm512_set1_ps(1.0f), tail), negative, tail);
  return _mm512_mul_ps(x, share);
}

// Where a finished block goes.
struct Target {
  const float* row_scales;  // of int8
  const float* scales;      // of int8, of this panel
  const float* bias;        // of this panel, or null
  char* result;
  std::ptrdiff_t stride;
};

template <bool kInt8, Epilogue kEpilogue, typename T>
inline void finish_half(const std::int32_t* sums, int rows, __mmask16 mask, const Target& target,
                        int column) {
  const __m512 bias = target.bias != nullptr ? _mm512_maskz_loadu_ps(mask, target.bias + column)
                                             : _mm512_setzero_ps();
  __m512 scales = _mm512_setzero_ps();
  if constexpr (kInt8) scales = _mm512_maskz_loadu_ps(mask, target.scales + column);
  char* out = target.result + column * static_cast<int>(sizeof(T));
  for (int i = 0; i < rows; ++i, out += target.stride) {
    __m512 value;
    if constexpr (kInt8) {
      const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(target.row_scales[i]));
      value =
          _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums + i * kPanel)), scale, bias);
    } else {
      value = _mm512_add_ps(_mm512_castsi512_ps(_mm512_load_si512(sums + i * kPanel)), bias);
    }
    if constexpr (kEpilogue == Epilogue::kQuickGelu) value = quick_gelu(value);
    if constexpr (kEpilogue == Epilogue::kGelu) value = gelu(value);
    if constexpr (std::is_same_v<T, Bf16>) {
      _mm256_mask_storeu_epi16(out, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
    } else {
      if constexpr (kEpilogue == Epilogue::kAdd) {
        value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, out));
      }
      _mm512_mask_storeu_ps(out, mask, value);
    }
  }
}

template <bool kInt8, Epilogue kEpilogue, typename T>
void finish(const std::int32_t* sums, int rows, int columns, const Target& target) {
  const auto mask = [](int n) {
    return static_cast<__mmask16>(n >= 16 ? 0xFFFF : (1 << std::max(n, 0)) - 1);
  };
  finish_half<kInt8, kEpilogue, T>(sums, rows, mask(columns), target, 0);
  if (columns > 16) {
    finish_half<kInt8, kEpilogue, T>(sums + 16, rows, mask(columns - 16), target, 16);
  }
}

using Finish = void (*)(const std::int32_t*, int, int, const Target&);

template <bool kInt8>
Finish finish_for(Epilogue epilogue, bool halves) {
  switch (epilogue) {
    case Epilogue::kStore:
      return halves ? finish<kInt8, Epilogue::kStore, Bf16>
                    : finish<kInt8, Epilogue::kStore, float>;
    case Epilogue::kAdd:
      return finish<kInt8, Epilogue::kAdd, float>;
    case Epilogue::kQuickGelu:
      return halves ? finish<kInt8, Epilogue::kQuickGelu, Bf16>
                    : finish<kInt8, Epilogue::kQuickGelu, float>;
    case Epilogue::kGelu:
      return halves ? finish<kInt8, Epilogue::kGelu, Bf16> : finish<kInt8, Epilogue::kGelu, float>;
  }
  return nullptr;
}

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
  const Finish finish_block = finish_for<kInt8>(layer.epilogue, call.halves != nullptr);
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
      const int column = panel * kPanel;
      Target target{nullptr, kInt8 ? call.scales + column : nullptr,
                    call.bias != nullptr && chunk == 0 ? call.bias + column : nullptr, nullptr,
                    call.result_stride};
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
        if constexpr (kInt8) target.row_scales = x.scales() + row;
        target.result = (call.halves != nullptr ? reinterpret_cast<char*>(call.halves + column)
                                                : reinterpret_cast<char*>(call.floats + column)) +
                        row * call.result_stride;
        finish_block(sums, rows, std::min(kPanel, layer.out - column), target);
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
