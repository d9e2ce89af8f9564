// A tower's layers by their names in the checkpoint: made from it, or taken from a saved pack.
//
// The towers ask in a fixed order, which is the order of the parts in a pack.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "clip/checkpoint.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/precision.h"
#include "nn/weight_pack.h"

namespace pgmmr {

class TowerParts {
 public:
  //   precision  of the layers; one that usable_precision() gave
  TowerParts(const Checkpoint& checkpoint, Precision precision, WeightPack pack)
      : checkpoint_(checkpoint), precision_(precision), pack_(std::move(pack)) {}

  // Whoever takes the layers takes this, too: they point into it, and not into the checkpoint.
  WeightPack take_pack() { return std::move(pack_); }

  // Whether any of the layers so far prepares code for each number of few rows.
  bool prepares_code() const { return prepares_code_; }

  const ClipConfig& config() const { return checkpoint_.config(); }

  // NAME.weight and NAME.bias of a layer; several names are put one under the other as one layer.
  Linear linear(const std::vector<std::string>& names, Epilogue epilogue);
  // The same for the layer that reads what attention gives. Of a text tower with int8, which loses
  // three times as much there as a vision tower, it is bf16, float32 where the CPU has none: that
  // takes the smallest cosine of the kit's texts from 0.99948 to 0.99968 (ViT-B/32, to double
  // precision). Pictures' goes from 0.99981 to 0.99977 with int8, and bf16 would cost them a
  // twentieth of their time on tiles.
  Linear linear_after_attention(const std::string& name, Epilogue epilogue, bool of_text);
  // NAME.weight alone, [out, ...] with the rest taken as one dimension; adds to what is there.
  Linear patch_embedding(const std::string& name);
  // Of each of its outputs, the sum of the weights: what inputs that are all 1 would give.
  std::vector<float> weight_sums(const std::string& name);
  // NAME.weight alone, [out, in]: a thousandth of the work, never less than bf16.
  Linear projection(const std::string& name);
  LayerNorm layer_norm(const std::string& name, float eps);
  std::vector<float> floats(const std::string& name);

 private:
  Linear layer(const std::vector<std::string>& names, Epilogue epilogue, Precision precision);
  Linear without_bias(const std::string& name, Epilogue epilogue, Precision precision);

  const Checkpoint& checkpoint_;
  Precision precision_;
  WeightPack pack_;
  bool prepares_code_ = false;
};

}  // namespace pgmmr
