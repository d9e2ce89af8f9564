// The arithmetic of the matrix products, which is what a picture's or a text's time goes to.
#pragma once

#include <string_view>

namespace pgmmr {

enum class Precision {
  kAuto,  // bf16 where this CPU multiplies it in hardware, else f32
  kF32,   // the reference
  kBf16,  // weights and what is multiplied with them rounded to 8 bits of precision, sums in
          // float32
  kInt8,  // weights scaled to 8-bit integers by output, what is multiplied with them by token
};

// "auto", "f32", "bf16", "int8".
//   throws  Error{kInvalidArgument} for another name
Precision parse_precision(std::string_view name);
std::string_view name_of(Precision precision);

// What this CPU will compute in where asked for one of them; never kAuto.
//   throws  Error{kUnsupported} where it lacks the instructions: bf16 would be emulated at a third
//           of float32's speed, and int8 products would saturate
Precision usable_precision(Precision asked);

}  // namespace pgmmr
