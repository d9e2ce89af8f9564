// Float32 rows to the form that a layer reads, and back.
#pragma once

#include <span>

#include "nn/activations.h"
#include "nn/matrix.h"

namespace pgmmr {

// One row of float32 into row i of to, in to's form: float32 copies, bf16 rounds to nearest, int8
// scales so that the largest magnitude becomes 127. A value that is not finite makes an int8 row's
// scale NaN or infinite, so it is not lost.
void store_row(const float* values, Activations& to, int i);

// Takes a row's mean out of it.
//   returns  the mean
float centre(std::span<float> row);

// A row of float32 or bf16 as float32.
void load_row(const Activations& from, int i, float* values);

// All rows of from, which is float32 or bf16, in another form.
//   threads  safe to call at once
void convert(const Activations& from, Number number, Activations& to);
void convert(const Matrix& from, Number number, Activations& to);

}  // namespace pgmmr
