// CLIP's text transformer: token ids in, text embeddings out.
//
// Follows transformers' CLIPTextTransformer and text_projection (get_text_features). Attention is
// causal, so nothing behind the end token changes the embedding: the ids are cut there, five times
// the speed on a short text. Proven on the conformance kit's goldens, activations included.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "clip/checkpoint.h"
#include "clip/tower_parts.h"
#include "clip/transformer.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/matrix.h"

namespace pgmmr {

class TextTower {
 public:
  // Takes the weights out of the checkpoint, or out of the pack where it was saved; but for the
  // token embeddings, of which a text needs a few rows: they stay mapped.
  //   precision, pack  as of VisionTower
  explicit TextTower(std::shared_ptr<const Checkpoint> checkpoint,
                     Precision precision = Precision::kF32, WeightPack pack = {});

  const WeightPack& pack() const { return pack_; }

  int dim() const { return projection_.out(); }
  int context_length() const { return config_.max_position_embeddings; }

  //   texts    ids with start and end token, padded or not; one text a row of the result
  //   returns  float32 [texts.size(), dim()], not of unit length
  //   throws   Error{kInvalidArgument} for an empty text, one longer than context_length(), or an
  //            id outside the vocabulary
  //   threads  safe to call at once
  Matrix forward(std::span<const std::vector<std::int32_t>> texts) const;

  // One text, computed for all its rows and traced: embeddings, after_layer1 ..,
  // last_hidden_state, pooler_output.
  Matrix forward_traced(const std::vector<std::int32_t>& ids, const Trace& trace) const;

  // Where a text is pooled: at the first end token; where the configuration says 2 for it, as all
  // of OpenAI's checkpoints do by a historical mistake, at the largest id.
  static int pooled_position(std::span<const std::int32_t> ids, std::int32_t end_token);

 private:
  TextTower(std::shared_ptr<const Checkpoint> checkpoint, TowerParts parts);
  void check(std::span<const std::int32_t> ids) const;
  void embed(std::span<const std::int32_t> ids, int first_row, Matrix& x) const;
  Matrix pool(Matrix& x, std::span<const Sequence> sequences, const Trace& trace) const;

  std::shared_ptr<const Checkpoint> checkpoint_;
  TextConfig config_;
  const Tensor& token_embedding_;
  std::vector<float> position_embedding_;
  Transformer transformer_;
  LayerNorm final_norm_;
  Linear projection_;
  bool rounds_;      // numbers of rows
  WeightPack pack_;  // what the layers point into
};

}  // namespace pgmmr
