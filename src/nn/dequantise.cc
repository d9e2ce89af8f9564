#include "nn/dequantise.h"

#include <cmath>
#include <vector>

#include "nn/vector_gelu.h"

namespace pgmmr {
namespace {

using vector::Floats;
using vector::kLanes;

PGMMR_INLINE void finish(const Int8Sums& from, int at, Epilogue epilogue, Floats& value) {
  Floats scales;
  vector::load(from.sums + at, value);
  vector::load(from.scales + at, scales);
  value *= scales * from.scale;
  if (from.bias != nullptr) {
    Floats bias;
    vector::load(from.bias + at, bias);
    value += bias;
  }
  if (epilogue == Epilogue::kQuickGelu) vector::quick_gelu(value);
  if (epilogue == Epilogue::kGelu) vector::gelu(value);
}

PGMMR_CLONES void finish_floats(const Int8Sums& from, Epilogue epilogue, float* to) {
  Floats value, before;
  for (int at = 0; at < from.count; at += kLanes) {
    finish(from, at, epilogue, value);
    if (epilogue == Epilogue::kAdd) {
      vector::load(to + at, before);
      value += before;
    }
    vector::store(value, to + at);
  }
}

PGMMR_CLONES void finish_halves(const Int8Sums& from, Epilogue epilogue, Bf16* to) {
  Floats value;
  for (int at = 0; at < from.count; at += kLanes) {
    finish(from, at, epilogue, value);
    vector::store(value, to + at);
  }
}

// The same on copies that fill a vector.
template <typename T, typename Finish>
void with_whole_vectors(const Int8Sums& from, Epilogue epilogue, T* to, Finish finish_whole) {
  const int whole = from.count / kLanes * kLanes;
  Int8Sums part = from;
  part.count = whole;
  finish_whole(part, epilogue, to);
  const int rest = from.count - whole;
  if (rest == 0) return;
  std::int32_t sums[kLanes] = {};
  float scales[kLanes] = {}, bias[kLanes] = {};
  T values[kLanes] = {};
  for (int i = 0; i < rest; ++i) {
    sums[i] = from.sums[whole + i];
    scales[i] = from.scales[whole + i];
    if (from.bias != nullptr) bias[i] = from.bias[whole + i];
    values[i] = to[whole + i];
  }
  finish_whole({sums, from.scale, scales, bias, kLanes}, epilogue, values);
  for (int i = 0; i < rest; ++i) to[whole + i] = values[i];
}

}  // namespace

void dequantise(const Int8Sums& from, Epilogue epilogue, float* to) {
  with_whole_vectors(from, epilogue, to, finish_floats);
}

void dequantise(const Int8Sums& from, Epilogue epilogue, Bf16* to) {
  with_whole_vectors(from, epilogue, to, finish_halves);
}

}  // namespace pgmmr
