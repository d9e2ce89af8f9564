// Half floats, IEEE 754 binary16: what checkpoints store, and what weights stay where that loses
// nothing.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>

namespace pgmmr {

struct F16 {
  std::uint16_t bits = 0;
};

// Moves exponent and fraction into place and lets a multiplication mend the exponent's bias,
// denormal numbers included; infinities and NaN keep their exponent of ones.
inline float from_f16(F16 value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000u) << 16;
  const std::uint32_t magnitude = static_cast<std::uint32_t>(value.bits & 0x7FFFu) << 13;
  const float mended = std::bit_cast<float>(magnitude) * 0x1p112f;
  const std::uint32_t special = magnitude >= 0x0F800000u ? 0x7F800000u : 0u;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(mended) | special | sign);
}

// The half float that is that number; nothing where there is none, nor for infinity and NaN.
inline std::optional<F16> exact_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  if (magnitude >= std::bit_cast<std::uint32_t>(0x1p16f)) return std::nullopt;
  if (magnitude >= std::bit_cast<std::uint32_t>(0x1p-14f)) {
    if ((magnitude & 0x1FFFu) != 0) return std::nullopt;
    return F16{static_cast<std::uint16_t>(sign | (magnitude - (112u << 23)) >> 13)};
  }
  const float steps = std::abs(value) * 0x1p24f;  // of denormal half floats
  if (steps != std::floor(steps)) return std::nullopt;
  return F16{static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(steps))};
}

}  // namespace pgmmr
