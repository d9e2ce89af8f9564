#include "nn/panel_product.h"

#include <algorithm>
#include <cmath>

#include "nn/cpu.h"
#include "nn/panel_finish.h"

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

PGMMR_INSTRUCTIONS_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")
namespace {

template <bool kInt8, Epilogue kEpilogue, typename T>
void finish(const std::int32_t* sums, int rows, const Target& target) {
  RowFinish<kInt8, kEpilogue, T> row(target);
  for (int i = 0; i < rows; ++i) row.next(sums + i * kOutputs);
}

template <bool kInt8>
Finish finish_for_number(const Layer& layer, const Call& call) {
  return with_forms(
      layer.epilogue, call.halves != nullptr,
      []<Epilogue kEpilogue, typename T>() -> Finish { return finish<kInt8, kEpilogue, T>; });
}

}  // namespace
PGMMR_INSTRUCTIONS_END

Finish finish_for(const Layer& layer, const Call& call) {
  return layer.number == Number::kInt8 ? finish_for_number<true>(layer, call)
                                       : finish_for_number<false>(layer, call);
}

}  // namespace pgmmr::panel

#endif
