#include "clip/tower_parts.h"

#include <numeric>

#include "nn/cpu.h"

namespace pgmmr {

Linear TowerParts::linear(const std::vector<std::string>& names, Epilogue epilogue) {
  return layer(names, epilogue, precision_);
}

Linear TowerParts::linear_after_attention(const std::string& name, Epilogue epilogue,
                                          bool of_text) {
  Precision precision = precision_;
  if (precision == Precision::kInt8 && of_text) {
    precision = cpu().bf16 ? Precision::kBf16 : Precision::kF32;
  }
  return layer({name}, epilogue, precision);
}

Linear TowerParts::layer(const std::vector<std::string>& names, Epilogue epilogue,
                         Precision precision) {
  Linear::Shape shape;
  shape.in = static_cast<int>(checkpoint_.tensor(names.front() + ".weight").shape[1]);
  shape.epilogue = epilogue;
  shape.precision = precision;
  prepares_code_ = prepares_code_ || pgmmr::prepares_code(precision);
  shape.many_rows = names.front().starts_with("vision_model.");
  for (const std::string& name : names) {
    shape.out += static_cast<int>(checkpoint_.tensor(name + ".weight").shape[0]);
  }
  return {shape, pack_, [&] {
            Linear::Weights all;
            for (const std::string& name : names) {
              const std::vector<float> more = checkpoint_.floats(name + ".weight");
              const std::vector<float> more_bias = checkpoint_.floats(name + ".bias");
              all.weights.insert(all.weights.end(), more.begin(), more.end());
              all.bias.insert(all.bias.end(), more_bias.begin(), more_bias.end());
            }
            return all;
          }};
}

Linear TowerParts::patch_embedding(const std::string& name) {
  return without_bias(name, Epilogue::kAdd, precision_);
}

Linear TowerParts::projection(const std::string& name) {
  const Precision precision = precision_ != Precision::kInt8 ? precision_
                              : cpu().bf16                   ? Precision::kBf16
                                                             : Precision::kF32;
  return without_bias(name, Epilogue::kStore, precision);
}

Linear TowerParts::without_bias(const std::string& name, Epilogue epilogue, Precision precision) {
  const Tensor& tensor = checkpoint_.tensor(name + ".weight");
  Linear::Shape shape;
  shape.out = static_cast<int>(tensor.shape[0]);
  shape.in = static_cast<int>(static_cast<std::int64_t>(tensor.count()) / tensor.shape[0]);
  shape.bias = false;
  shape.epilogue = epilogue;
  shape.many_rows = name.starts_with("vision_model.");
  shape.precision = precision;
  return {shape, pack_, [&] {
            return Linear::Weights{.weights = checkpoint_.floats(name + ".weight"), .bias = {}};
          }};
}

LayerNorm TowerParts::layer_norm(const std::string& name, float eps) {
  return {.weight = floats(name + ".weight"), .bias = floats(name + ".bias"), .eps = eps};
}

std::vector<float> TowerParts::weight_sums(const std::string& name) {
  const auto out = static_cast<std::size_t>(checkpoint_.tensor(name + ".weight").shape[0]);
  const auto sums = pack_.floats(out, [&](std::span<float> to) {
    const std::vector<float> weights = checkpoint_.floats(name + ".weight");
    const std::size_t in = weights.size() / out;
    for (std::size_t o = 0; o < out; ++o) {
      const auto of_output = std::span(weights).subspan(o * in, in);
      to[o] = static_cast<float>(std::accumulate(of_output.begin(), of_output.end(), 0.0));
    }
  });
  return {sums.begin(), sums.end()};
}

std::vector<float> TowerParts::floats(const std::string& name) {
  const Tensor& tensor = checkpoint_.tensor(name);
  const auto values = pack_.floats(
      tensor.count(), [&](std::span<float> to) { copy_floats(tensor, 0, to.size(), to.data()); });
  return {values.begin(), values.end()};
}

}  // namespace pgmmr
