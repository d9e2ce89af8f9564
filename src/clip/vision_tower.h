// CLIP's vision transformer: normalised pixels in, picture embeddings out.
//
// Follows transformers' CLIPVisionTransformer and visual_projection (get_image_features). Proven on
// the conformance kit's goldens, activations included.
#pragma once

#include <span>
#include <vector>

#include "clip/checkpoint.h"
#include "clip/tower_parts.h"
#include "clip/transformer.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/matrix.h"

namespace pgmmr {

class VisionTower {
 public:
  // Takes the weights out of the checkpoint, or out of the pack where it was saved.
  //   precision  one that usable_precision() gave
  explicit VisionTower(const Checkpoint& checkpoint, Precision precision = Precision::kF32,
                       WeightPack pack = {})
      : VisionTower(TowerParts(checkpoint, precision, std::move(pack))) {}

  const WeightPack& pack() const { return pack_; }

  int image_size() const { return config_.image_size; }
  int dim() const { return projection_.out(); }

  // How many pictures a forward call takes at best: enough rows to use the kernels well, few enough
  // that activations stay in the cache.
  int batch_size() const;

  //   pixels   float32 [n, 3, S, S], channels first, normalised by ImageProcessor
  //   returns  float32 [n, dim()], not of unit length
  //   throws   Error{kInvalidArgument} unless pixels holds n*3*S*S values
  //   threads  safe to call at once: weights don't change, scratch is per call
  //   trace    embeddings, after_pre_layernorm, after_layer1 .., pooler_output
  Matrix forward(std::span<const float> pixels, int n, const Trace& trace = {}) const;

 private:
  Matrix embed(std::span<const float> pixels, int n) const;

  explicit VisionTower(TowerParts parts);

  VisionConfig config_;
  int side_, tokens_;  // patches a side; patches and the class token
  std::vector<float> class_embedding_, position_embedding_;
  Linear patch_embedding_;
  std::vector<float> patch_sums_;  // of int8: of each output's weights
  LayerNorm pre_norm_, post_norm_;
  Transformer transformer_;
  Linear projection_;
  WeightPack pack_;  // what the layers point into
};

}  // namespace pgmmr
