// The stack of pre-norm transformer blocks that both towers are made of.
//
// Follows transformers' CLIPEncoderLayer (Vaswani et al. 2017 with the normalisation in front).
// Proven, layer by layer, on the conformance kit's activations.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "clip/config.h"
#include "clip/tower_parts.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/matrix.h"

namespace pgmmr {

// Rows first .. first+count-1 of a matrix are one picture's or one text's tokens. Only the pooled
// row's output is wanted.
struct Sequence {
  int first = 0;
  int count = 0;
  int pooled = 0;  // a row of the matrix
};

// Shown what a tower computes on its way ("after_layer1"); tests compare it with goldens. A traced
// call computes the last block for all rows, which is otherwise left out.
using Trace = std::function<void(std::string_view stage, const Matrix& values)>;

class Transformer {
 public:
  // Weights NAME.encoder.layers.0 and on.
  Transformer(TowerParts& parts, const std::string& name, const TowerConfig& config, bool causal);

  // Runs all blocks. Rows that belong to no sequence may hold anything finite.
  //   x        [rows, hidden]; its contents are used up
  //   returns  [sequences.size(), hidden]: the pooled rows, not yet normalised
  //   threads  safe to call at once: scratch is per call
  Matrix forward(Matrix& x, std::span<const Sequence> sequences, const Trace& trace = {}) const;

 private:
  struct Block {
    LayerNorm norm1, norm2;
    Linear query, key_value, out, up, down;
  };
  struct Scratch;

  void attend_all(std::span<const Sequence> sequences, bool pooled_only, Scratch& scratch) const;
  void run(const Block& block, Matrix& x, std::span<const Sequence> sequences,
           Scratch& scratch) const;
  Matrix run_pooled(const Block& block, const Matrix& x, std::span<const Sequence> sequences,
                    Scratch& scratch) const;
  void feed_forward(const Block& block, Matrix& x, Scratch& scratch) const;

  int heads_;
  bool causal_;
  std::vector<Block> blocks_;
};

}  // namespace pgmmr
