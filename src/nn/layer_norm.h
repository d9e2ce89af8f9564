// Layer normalisation of rows (Ba et al. 2016): mean 0 and variance 1, then scale and shift.
#pragma once

#include <vector>

#include "nn/activations.h"
#include "nn/matrix.h"

namespace pgmmr {

struct LayerNorm {
  std::vector<float> weight, bias;  // as wide as a row
  float eps = 1e-5f;

  // y takes x's shape; x and y may be the same.
  //   threads  safe to call at once
  void forward(const Matrix& x, Matrix& y) const;
  // The same in the form that the next layer reads.
  void forward(const Matrix& x, Number number, Activations& y) const;

 private:
  void check(const Matrix& x) const;
};

}  // namespace pgmmr
