// y = activation(x W^T + b) on oneDNN's matmul, in float32.
//
// The one place that talks to oneDNN, and the one that knows its versions apart (2.6 in Debian
// 12, 3.x later). Weights are laid out once as the primitive asks. A call runs on the calling
// thread alone: oneDNN's OpenMP team spins and loses a factor of a hundred beside other busy
// threads, so whoever has many rows brings many threads. Proven against plain::linear on random
// shapes, odd ones included.
#pragma once

#include <memory>
#include <span>

#include "nn/matrix.h"

namespace pgmmr {

// What happens to x W^T + b.
enum class Epilogue {
  kStore,      // y = it
  kAdd,        // y += it
  kQuickGelu,  // y = it * sigmoid(1.702 * it)
  kGelu,       // y = it * (1 + erf(it / sqrt(2))) / 2
};

class Linear {
 public:
  // The weights are copied; nothing outside is kept.
  //   weights  [out, in], row-major, as torch.nn.Linear stores them
  //   bias     [out], or empty for none
  Linear(int in, int out, std::span<const float> weights, std::span<const float> bias,
         Epilogue epilogue);
  Linear(Linear&&) noexcept;
  Linear& operator=(Linear&&) noexcept;
  ~Linear();

  int in() const;
  int out() const;

  //   x        [rows, in]
  //   y        [rows, out]; must not overlap x
  //   threads  safe to call at once
  //   speed    the first call with a new number of rows prepares code for it, about a millisecond
  void forward(const float* x, int rows, float* y) const;

  // The same for whole matrices; y takes the shape it needs unless it is added to.
  //   throws  Error{kInternal} where the shapes do not fit
  void forward(const Matrix& x, Matrix& y) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace pgmmr
