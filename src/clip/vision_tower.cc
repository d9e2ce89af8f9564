#include "clip/vision_tower.h"

#include <algorithm>
#include <functional>
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
// channel, is a row. What lies beyond the last whole patch is left out, as the convolution does.
// Before it becomes int8, a patch's mean is taken out of it, and comes back as that times the sum
// of each output's weights: a patch of sky is far from zero and nearly even, so that rounding would
// leave little of what is in it, and the weights' own errors would all be multiplied by its light.
Matrix VisionTower::embed(std::span<const float> pixels, int n) const {
  const int size = config_.image_size, patch = config_.patch_size;
  const auto plane = static_cast<std::ptrdiff_t>(size) * size;
  Activations patches;
  patches.reshape(patch_embedding_.input(), n * side_ * side_, 3 * patch * patch);
  const bool centred = !patch_sums_.empty();
  std::vector<float> means(centred ? static_cast<std::size_t>(patches.rows()) : 0);
  for_each_range(patches.rows(), side_, [&](int begin, int end) {
    std::vector<float> one(static_cast<std::size_t>(patches.cols()));
    for (int row = begin; row < end; ++row) {
      const int picture = row / (side_ * side_);
      const int top = row / side_ % side_ * patch, left = row % side_ * patch;
      float* out = one.data();
      for (int channel = 0; channel < 3; ++channel) {
        const float* from =
            pixels.data() + (static_cast<std::ptrdiff_t>(picture) * 3 + channel) * plane;
        for (int y = top; y < top + patch; ++y, out += patch) {
          std::copy_n(from + static_cast<std::ptrdiff_t>(y) * size + left, patch, out);
        }
      }
      if (centred) means[static_cast<std::size_t>(row)] = centre(one);
      store_row(one.data(), patches, row);
    }
  });
  const auto width = static_cast<std::size_t>(config_.hidden_size);
  const auto position = [&](int token) {
    return std::span(position_embedding_).subspan(static_cast<std::size_t>(token) * width, width);
  };
  Matrix embedded(patches.rows(), config_.hidden_size);
  for (int row = 0; row < embedded.rows(); ++row) {
    const std::span<float> to = embedded.row(row);
    std::ranges::copy(position(1 + row % (side_ * side_)), to.begin());
    if (!centred) continue;
    const float mean = means[static_cast<std::size_t>(row)];
    std::ranges::transform(to, patch_sums_, to.begin(),
                           [mean](float at, float sum) { return at + mean * sum; });
  }
  patch_embedding_.forward(patches, embedded);

  Matrix x(n * tokens_, config_.hidden_size);
  for (int picture = 0; picture < n; ++picture) {
    std::ranges::transform(class_embedding_, position(0), x.row(picture * tokens_).begin(),
                           std::plus());
    std::copy_n(embedded.row(picture * side_ * side_).data(),
                static_cast<std::size_t>(side_ * side_) * width,
                x.row(picture * tokens_ + 1).data());
  }
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
