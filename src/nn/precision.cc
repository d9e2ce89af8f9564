#include "nn/precision.h"

#include <array>
#include <string>
#include <utility>

#include "base/error.h"
#include "nn/cpu.h"

namespace pgmmr {
namespace {

constexpr std::array<std::pair<std::string_view, Precision>, 4> kNames = {
    {{"auto", Precision::kAuto},
     {"f32", Precision::kF32},
     {"bf16", Precision::kBf16},
     {"int8", Precision::kInt8}}};

[[noreturn]] void refuse(std::string_view name, const char* lacks) {
  throw Error(ErrorKind::kUnsupported, "computing in " + std::string(name) + ": this CPU lacks " +
                                           lacks + " (found " + cpu().isa +
                                           ", as far as ONEDNN_MAX_CPU_ISA allows); use auto or "
                                           "f32");
}

}  // namespace

Precision parse_precision(std::string_view name) {
  for (const auto& [known, precision] : kNames) {
    if (name == known) return precision;
  }
  throw Error(ErrorKind::kInvalidArgument,
              "precision \"" + std::string(name) + "\", expected auto, f32, bf16 or int8");
}

std::string_view name_of(Precision precision) {
  return kNames[static_cast<std::size_t>(precision)].first;
}

Precision usable_precision(Precision asked) {
  switch (asked) {
    case Precision::kAuto:
      return cpu().bf16 ? Precision::kBf16 : Precision::kF32;
    case Precision::kBf16:
      if (!cpu().bf16) refuse("bf16", "AVX512-BF16 and AMX");
      break;
    case Precision::kInt8:
      if (!cpu().vnni) refuse("int8", "VNNI and AMX");
      break;
    case Precision::kF32:
      break;
  }
  return asked;
}

}  // namespace pgmmr
