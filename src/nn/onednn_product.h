// x W^T by oneDNN's matmul: float32 everywhere, bf16 and int8 where the CPU has no tiles.
//
// The one place that multiplies with oneDNN, and the one that knows its versions apart (2.6 in
// Debian 12, 3.x later). Weights are laid out once as the primitive asks. A call runs on the
// calling thread alone: oneDNN's OpenMP team spins and loses a factor of a hundred beside other
// busy threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "nn/activations.h"
#include "nn/epilogue.h"

namespace pgmmr {

// The result is float32 or bf16 with the epilogue applied; of int8 it is the bare sums, int32.
class OneDnnProduct {
 public:
  struct Shape {
    int in = 0, out = 0;
    int stride = 0;     // from a row of y to the next, in its numbers
    bool bias = false;  // int8 has none
    Epilogue epilogue = Epilogue::kStore;
    Number number = Number::kF32;  // of x and W
    Number result = Number::kF32;  // of y; kBf16 only with bf16
    auto operator<=>(const Shape&) const = default;
  };

  // The code for a shape, shared by all layers that have it.
  //   throws  Error{kInternal} where oneDNN has none
  static std::shared_ptr<OneDnnProduct> of(const Shape& shape);

  OneDnnProduct(const OneDnnProduct&) = delete;
  OneDnnProduct& operator=(const OneDnnProduct&) = delete;
  ~OneDnnProduct();

  std::size_t packed_bytes() const;

  // Lays out weights [out, in].
  //   to  packed_bytes()
  void pack(const float* weights, std::byte* to) const;
  void pack(const std::int8_t* weights, std::byte* to) const;

  //   x        [rows, in], dense
  //   y        [rows, out], float, Bf16 or std::int32_t
  //   threads  safe to call at once
  //   speed    the first call with a new number of rows prepares code for it, about a millisecond
  void run(const void* x, int rows, const std::byte* packed, const float* bias, void* y);

 private:
  explicit OneDnnProduct(const Shape& shape);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pgmmr
