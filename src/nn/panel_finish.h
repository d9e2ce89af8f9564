// From a panel's sums to its results, a row at a time: scales, bias, activation, rounding. For the
// kernels' own files, which are written in AVX-512's instructions, so that it is compiled into
// their loops.
#pragma once

#if defined(__x86_64__)

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "nn/activations.h"
#include "nn/avx512.h"
#include "nn/epilogue.h"
#include "nn/gelu_segments.h"
#include "nn/panel_product.h"
#include "nn/vector.h"

namespace pgmmr::panel {

// Where sums become results, and with what.
struct Target {
  const float* row_scales;  // of int8, of the rows
  const float* scales;      // of int8, of this panel
  const float* bias;        // of this panel, or null
  char* result;
  std::ptrdiff_t stride;
  int columns;  // of this panel, kOutputs at most
};

// Where the results of that row and panel go.
inline char* result_of(const Call& call, int row, int panel) {
  const int column = panel * kOutputs - call.first_output;
  char* const first = call.halves != nullptr ? reinterpret_cast<char*>(call.halves + column)
                                             : reinterpret_cast<char*>(call.floats + column);
  return first + row * call.result_stride;
}

// Inlined: copied as a whole, it would have to wait for what was stored before.
//   with_bias  not for the second part of the inputs and later ones, which add to the first
PGMMR_INLINE Target target_of(const Layer& layer, const Call& call, int row, int panel,
                              bool with_bias) {
  const int column = panel * kOutputs;
  const bool int8 = layer.number == Number::kInt8;
  return {.row_scales = int8 ? call.x->scales() + row : nullptr,
          .scales = int8 ? call.scales + column : nullptr,
          .bias = call.bias != nullptr && with_bias ? call.bias + column : nullptr,
          .result = result_of(call, row, panel),
          .stride = call.result_stride,
          .columns = std::min(kOutputs, call.first_output + call.outputs - column)};
}

// Calls visit.operator()<Epilogue, float or Bf16>() with the forms that are asked for; nothing is
// added to halves.
template <typename Visit>
auto with_forms(Epilogue epilogue, bool halves, Visit visit) {
  switch (epilogue) {
    case Epilogue::kAdd:
      return visit.template operator()<Epilogue::kAdd, float>();
    case Epilogue::kQuickGelu:
      return halves ? visit.template operator()<Epilogue::kQuickGelu, Bf16>()
                    : visit.template operator()<Epilogue::kQuickGelu, float>();
    case Epilogue::kGelu:
      return halves ? visit.template operator()<Epilogue::kGelu, Bf16>()
                    : visit.template operator()<Epilogue::kGelu, float>();
    default:
      return halves ? visit.template operator()<Epilogue::kStore, Bf16>()
                    : visit.template operator()<Epilogue::kStore, float>();
  }
}

PGMMR_INSTRUCTIONS_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")

// NaN stays one.
PGMMR_INLINE __m512 gelu(__m512 x, const GeluSegments& segments) {
  constexpr int kLanes = GeluSegments::kCount / 2;
  constexpr float kRound = 0x1.8p23f;  // the sum's last bits are the nearest integer
  const __m512 size = _mm512_abs_ps(x);
  const __m512 within = _mm512_min_ps(_mm512_set1_ps(segments.largest), size);
  const __m512i segment = _mm512_castps_si512(
      _mm512_fmadd_ps(within, _mm512_set1_ps(segments.per_unit), _mm512_set1_ps(kRound)));
  const auto coefficient = [&](const float* c) {
    return _mm512_permutex2var_ps(_mm512_load_ps(c), segment, _mm512_load_ps(c + kLanes));
  };
  __m512 p = _mm512_fmadd_ps(coefficient(segments.c2), within, coefficient(segments.c1));
  p = _mm512_fmadd_ps(p, within, coefficient(segments.c0));
  return _mm512_fmadd_ps(p, size, _mm512_mul_ps(x, _mm512_set1_ps(0.5f)));
}

// The rows of one target, first to last.
template <bool kInt8, Epilogue kEpilogue, typename T>
class RowFinish {
 public:
  PGMMR_INLINE explicit RowFinish(const Target& target)
      : row_scale_(target.row_scales), out_(target.result), stride_(target.stride) {
    for (int half = 0; half < 2; ++half) {
      const int left = target.columns - half * kHalf;
      mask_[half] = static_cast<__mmask16>(left >= kHalf ? 0xFFFF : (1 << std::max(left, 0)) - 1);
      bias_[half] = target.bias != nullptr
                        ? _mm512_maskz_loadu_ps(mask_[half], target.bias + half * kHalf)
                        : _mm512_setzero_ps();
      if constexpr (kInt8) {
        scales_[half] = _mm512_maskz_loadu_ps(mask_[half], target.scales + half * kHalf);
      }
    }
  }

  //   sums  [kOutputs], on a cache line
  PGMMR_INLINE void next(const std::int32_t* sums) {
    finish<0>(sums);
    finish<1>(sums);
    out_ += stride_;
    if constexpr (kInt8) ++row_scale_;
  }

 private:
  static constexpr int kHalf = kOutputs / 2;

  template <int kWhich>
  PGMMR_INLINE void finish(const std::int32_t* sums) const {
    const __m512i sum = _mm512_load_si512(sums + kWhich * kHalf);
    __m512 value;
    if constexpr (kInt8) {
      const __m512 scale = _mm512_mul_ps(scales_[kWhich], _mm512_set1_ps(*row_scale_));
      value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, bias_[kWhich]);
    } else {
      value = _mm512_add_ps(_mm512_castsi512_ps(sum), bias_[kWhich]);
    }
    if constexpr (kEpilogue == Epilogue::kQuickGelu) value = gelu(value, kQuickGeluSegments);
    if constexpr (kEpilogue == Epilogue::kGelu) value = gelu(value, kGeluSegments);
    char* const out = out_ + kWhich * kHalf * static_cast<int>(sizeof(T));
    if constexpr (std::is_same_v<T, Bf16>) {
      _mm256_mask_storeu_epi16(out, mask_[kWhich],
                               reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
    } else {
      if constexpr (kEpilogue == Epilogue::kAdd) {
        value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask_[kWhich], out));
      }
      _mm512_mask_storeu_ps(out, mask_[kWhich], value);
    }
  }

  const float* row_scale_;
  char* out_;
  std::ptrdiff_t stride_;
  __mmask16 mask_[2];
  __m512 bias_[2], scales_[2];
};

PGMMR_INSTRUCTIONS_END

}  // namespace pgmmr::panel

#endif
