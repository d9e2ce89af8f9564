#include "clip/vision_tower.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "nn/parallel.h"
#include "nn/row_format.h"

namespace pgmmr {

VisionTower::VisionTower(TowerParts parts)
    : config_(parts.config().vision),
      side_(config_.image_size / config_.patch_size),
      tokens_(side_ * side_ + 1),
      class_embedding_(parts.floats("vision_model.embeddings.class_embedding")),
      position_embedding_(parts.floats("vision_model.embeddings.position_embedding.weight")),
      patch_embedding_(parts.patch_embedding("vision_model.embeddings.patch_embedding")),
      patch_sums_(patch_embedding_.input() == Number::kInt8
                      ? parts.weight_sums("vision_model.embeddings.patch_embedding")
                      : std::vector<float>()),
      pre_norm_(parts.layer_norm("vision_model.pre_layrnorm", config_.layer_norm_eps)),
      post_norm_(parts.layer_norm("vision_model.post_layernorm", config_.layer_norm_eps)),
      transformer_(parts, "vision_model", config_, false),
      projection_(parts.projection("visual_projection")),
      pack_(parts.take_pack()) {}

int VisionTower::batch_size() const {
  constexpr int kRows = 400;  // 8 pictures of ViT-B/32, 2 of ViT-B/16, 1 of ViT-L/14
  return std::clamp(kRows / tokens_, 1, 64);
}

// The convolution whose stride is its kernel's size, as a matrix product: each patch, channel by
// channel, is a row, and zeros are the class token's. What lies beyond the last whole patch is left
// out, as the convolution does. Before it becomes int8, a patch's mean is taken out of it, and
// comes back as that times the sum of each output's weights: a patch of sky is far from zero and
// nearly even, so that rounding would leave little of what is in it, and the weights' own errors
// would all be multiplied by its light.
Matrix VisionTower::embed(std::span<const float> pixels, int n) const {
  const int size = config_.image_size, patch = config_.patch_size;
  const auto plane = static_cast<std::ptrdiff_t>(size) * size;
  const auto width = static_cast<std::size_t>(config_.hidden_size);
  Activations patches;
  patches.reshape(patch_embedding_.input(), n * tokens_, 3 * patch * patch);
  Matrix x(patches.rows(), config_.hidden_size);
  for_each_range(patches.rows(), side_, [&](int begin, int end) {
    std::vector<float> one(static_cast<std::size_t>(patches.cols()));
    for (int row = begin; row < end; ++row) {
      const int picture = row / tokens_, token = row % tokens_;
      const std::span<float> to = x.row(row);
      std::ranges::copy(
          std::span(position_embedding_).subspan(static_cast<std::size_t>(token) * width, width),
          to.begin());
      const auto add = [&](std::span<const float> values, float times) {
        std::ranges::transform(to, values, to.begin(),
                               [times](float at, float value) { return at + times * value; });
      };
      if (token == 0) {
        std::ranges::fill(one, 0.0f);
        add(class_embedding_, 1);
      } else {
        const int top = (token - 1) / side_ * patch, left = (token - 1) % side_ * patch;
        float* out = one.data();
        for (int channel = 0; channel < 3; ++channel) {
          const float* from =
              pixels.data() + (static_cast<std::ptrdiff_t>(picture) * 3 + channel) * plane;
          for (int y = top; y < top + patch; ++y, out += patch) {
            std::copy_n(from + static_cast<std::ptrdiff_t>(y) * size + left, patch, out);
          }
        }
        if (!patch_sums_.empty()) add(patch_sums_, centre(one));
      }
      store_row(one.data(), patches, row);
    }
  });
  patch_embedding_.forward(patches, x);
  return x;
}

Matrix VisionTower::forward(std::span<const float> pixels, int n, const Trace& trace) const {
  const std::size_t wanted = static_cast<std::size_t>(std::max(n, 0)) * 3 *
                             static_cast<std::size_t>(config_.image_size) *
                             static_cast<std::size_t>(config_.image_size);
  if (n < 0 || pixels.size() != wanted) {
    throw Error(ErrorKind::kInvalidArgument,
                "embedding " + std::to_string(n) + " pictures: found " +
                    std::to_string(pixels.size()) + " values, expected " + std::to_string(wanted));
  }
  if (n == 0) return Matrix(0, dim());
  Matrix x = embed(pixels, n);
  if (trace) trace("embeddings", x);
  pre_norm_.forward(x, x);
  if (trace) trace("after_pre_layernorm", x);
  std::vector<Sequence> sequences;
  for (int i = 0; i < n; ++i) {
    sequences.push_back({.first = i * tokens_, .count = tokens_, .pooled = i * tokens_});
  }
  Matrix pooled = transformer_.forward(x, sequences, trace);
  post_norm_.forward(pooled, pooled);
  if (trace) trace("pooler_output", pooled);
  Activations last;
  convert(pooled, projection_.input(), last);
  Matrix embeddings;
  projection_.forward(last, embeddings);
  return embeddings;
}

}  // namespace pgmmr
