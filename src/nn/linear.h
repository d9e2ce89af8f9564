// y = activation(x W^T + b): the layers that nearly all time goes to, in each precision.
//
// float32 is oneDNN's matmul, and of few rows our own kernel. bf16 is oneDNN's too on AVX-512, and
// our own kernel on AMX's tiles; int8 is our own kernel on either. In bf16, W and x are rounded to
// it and sums are float32. In int8, each output of W has a scale (its largest weight becomes 127)
// and so has each row of x, and sums are exact integers; bias, activation and addition are float32
// in all of them. A call runs on the calling thread, with helpers where it has them
// (nn/parallel.h). Proven against plain::linear on random shapes, odd ones included, at every
// instruction set that this machine can be limited to.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "nn/activations.h"
#include "nn/epilogue.h"
#include "nn/matrix.h"
#include "nn/precision.h"
#include "nn/weight_pack.h"

namespace pgmmr {

// The form that activations have between layers of a precision: what attention and the activation
// functions give.
Number between_layers(Precision precision);

// Whether each new number of few rows makes a layer prepare code, for about a millisecond: oneDNN
// does, our own kernels don't.
bool prepares_code(Precision precision);

class Linear {
 public:
  struct Shape {
    int in = 0, out = 0;
    bool bias = true;
    Epilogue epilogue = Epilogue::kStore;
    Precision precision = Precision::kF32;  // one that usable_precision() gave
    bool many_rows = false;                 // x has dozens of rows, also for a single query
  };
  struct Weights {
    std::vector<float> weights;  // [out, in], row-major, as torch.nn.Linear stores them
    std::vector<float> bias;     // [out], or empty for none
  };

  // Takes its parts from the pack, which must outlive it; `read` is called where they have to be
  // made.
  //   throws  Error{kInternal} where what was read has another shape; what the pack throws
  Linear(const Shape& shape, WeightPack& pack, const std::function<Weights()>& read);
  // Keeps its own.
  Linear(const Shape& shape, const Weights& weights);
  Linear(Linear&&) noexcept;
  Linear& operator=(Linear&&) noexcept;
  ~Linear();

  int in() const;
  int out() const;
  Number input() const;  // the form of x

  //   x        [rows, in] in the form of input()
  //   y        takes the shape it needs: [rows, out], as a matrix unless it is added to, or in the
  //            form between_layers, which nothing is added to
  //   throws   Error{kInternal} where shapes or forms do not fit
  //   threads  safe to call at once
  void forward(const Activations& x, Matrix& y) const;
  void forward(const Activations& x, Activations& y) const;

  // How many inputs a layer that adds should be given at a time with so many rows, so that they
  // need not leave the cache between the layer they come from and this one; or in().
  int inputs_at_a_time(int rows) const;
  // Adds what some of the inputs give, the bias with the first.
  //   x       [rows, inputs_at_a_time, or what is left of in() at the end]
  //   throws  as forward; where first_input is not the first of such a part
  void forward_inputs(const Activations& x, int first_input, Matrix& y) const;
  // Gives some of the outputs: for a layer that is followed by one that takes inputs at a time.
  //   y       takes the shape [rows, outputs]
  //   throws  as forward
  void forward_outputs(const Activations& x, int first_output, int outputs, Activations& y) const;

 private:
  struct State;
  struct Result;
  static void check(bool fits);
  void run(const Activations& x, const Result& y, int first_input, int first_output) const;
  std::unique_ptr<const State> state_;
};

}  // namespace pgmmr
