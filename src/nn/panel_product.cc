#include "nn/panel_product.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "nn/avx512.h"
#include "nn/cpu.h"

namespace pgmmr::panel {

Kernel kernel_for(Number number, bool many_rows) {
  if (number == Number::kF32) return many_rows ? Kernel::kNone : Kernel::kFewRows;
  if (cpu().amx) return Kernel::kTiles;
  const bool vnni = number == Number::kInt8 && cpu().avx512 && cpu().vnni;
  return vnni ? Kernel::kVnni : Kernel::kNone;
}

std::int8_t to_int8(float weight, float scale) {
  return static_cast<std::int8_t>(std::isfinite(scale) && scale > 0 ? std::lround(weight / scale)
                                                                    : 0);
}

}  // namespace pgmmr::panel

#if defined(__x86_64__)

namespace pgmmr::panel {

// Where a block goes.
struct Finish::Target {
  const float* row_scales;  // of int8
  const float* scales;      // of int8, of this panel
  const float* bias;        // of this panel, or null
  char* result;
  std::ptrdiff_t stride;
};

PGMMR_INSTRUCTIONS_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")

struct Finish::Kernel {
  static inline __m512 quick_gelu(__m512 x) {
    const __m512 e = avx512::power_of_two(_mm512_mul_ps(x, _mm512_set1_ps(-1.702f * 1.44269504f)));
    return _mm512_mul_ps(x, _mm512_rcp14_ps(_mm512_add_ps(e, _mm512_set1_ps(1.0f))));
  }

  // erf by Abramowitz and Stegun 7.1.26, of |x| / sqrt(2).
  static inline __m512 gelu(__m512 x) {
    const __m512 z = _mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(0.70710678f));
    const __m512 d = _mm512_fmadd_ps(z, _mm512_set1_ps(0.3275911f), _mm512_set1_ps(1.0f));
    __m512 t = _mm512_rcp14_ps(d);
    t = _mm512_mul_ps(t, _mm512_fnmadd_ps(d, t, _mm512_set1_ps(2.0f)));
    __m512 p = _mm512_fmadd_ps(t, _mm512_set1_ps(1.061405429f), _mm512_set1_ps(-1.453152027f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(1.421413741f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-0.284496736f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.254829592f));
    p = _mm512_mul_ps(p, t);
    const __m512 e =
        avx512::power_of_two(_mm512_mul_ps(_mm512_mul_ps(z, z), _mm512_set1_ps(-1.44269504f)));
    // x (1 + erf) / 2, where 1 - |erf| is p e.
    const __m512 tail = _mm512_mul_ps(_mm512_mul_ps(p, e), _mm512_set1_ps(0.5f));
    const __mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
    const __m512 share =
        _mm512_mask_mov_ps(_mm512_sub_ps(_mm512_set1_ps(1.0f), tail), negative, tail);
    return _mm512_mul_ps(x, share);
  }

  template <bool kInt8, Epilogue kEpilogue, typename T>
  static inline void finish_half(const std::int32_t* sums, int rows, __mmask16 mask,
                                 const Target& target, int column) {
    const __m512 bias = target.bias != nullptr ? _mm512_maskz_loadu_ps(mask, target.bias + column)
                                               : _mm512_setzero_ps();
    __m512 scales = _mm512_setzero_ps();
    if constexpr (kInt8) scales = _mm512_maskz_loadu_ps(mask, target.scales + column);
    char* out = target.result + column * static_cast<int>(sizeof(T));
    for (int i = 0; i < rows; ++i, out += target.stride) {
      __m512 value;
      if constexpr (kInt8) {
        const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(target.row_scales[i]));
        value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums + i * kOutputs)), scale,
                                bias);
      } else {
        value = _mm512_add_ps(_mm512_castsi512_ps(_mm512_load_si512(sums + i * kOutputs)), bias);
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
  static void finish(const std::int32_t* sums, int rows, int columns, const Target& target) {
    const auto mask = [](int n) {
      return static_cast<__mmask16>(n >= 16 ? 0xFFFF : (1 << std::max(n, 0)) - 1);
    };
    finish_half<kInt8, kEpilogue, T>(sums, rows, mask(columns), target, 0);
    if (columns > 16) {
      finish_half<kInt8, kEpilogue, T>(sums + 16, rows, mask(columns - 16), target, 16);
    }
  }
};

template <bool kInt8>
Finish::Function Finish::function_for(Epilogue epilogue, bool halves) {
  switch (epilogue) {
    case Epilogue::kStore:
      return halves ? Kernel::finish<kInt8, Epilogue::kStore, Bf16>
                    : Kernel::finish<kInt8, Epilogue::kStore, float>;
    case Epilogue::kAdd:
      return Kernel::finish<kInt8, Epilogue::kAdd, float>;
    case Epilogue::kQuickGelu:
      return halves ? Kernel::finish<kInt8, Epilogue::kQuickGelu, Bf16>
                    : Kernel::finish<kInt8, Epilogue::kQuickGelu, float>;
    case Epilogue::kGelu:
      return halves ? Kernel::finish<kInt8, Epilogue::kGelu, Bf16>
                    : Kernel::finish<kInt8, Epilogue::kGelu, float>;
  }
  return nullptr;
}

PGMMR_INSTRUCTIONS_END

Finish::Finish(const Layer& layer, const Call& call)
    : layer_(layer),
      call_(call),
      function_(layer.number == Number::kInt8
                    ? function_for<true>(layer.epilogue, call.halves != nullptr)
                    : function_for<false>(layer.epilogue, call.halves != nullptr)) {}

char* Finish::result(int row, int panel) const {
  const int column = panel * kOutputs;
  char* const first = call_.halves != nullptr ? reinterpret_cast<char*>(call_.halves + column)
                                              : reinterpret_cast<char*>(call_.floats + column);
  return first + row * call_.result_stride;
}

void Finish::operator()(const std::int32_t* sums, int row, int rows, int panel,
                        bool with_bias) const {
  const int column = panel * kOutputs;
  const bool int8 = layer_.number == Number::kInt8;
  function_(sums, rows, std::min(kOutputs, layer_.out - column),
            {.row_scales = int8 ? call_.x->scales() + row : nullptr,
             .scales = int8 ? call_.scales + column : nullptr,
             .bias = call_.bias != nullptr && with_bias ? call_.bias + column : nullptr,
             .result = result(row, panel),
             .stride = call_.result_stride});
}

}  // namespace pgmmr::panel

#endif
