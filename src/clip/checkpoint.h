// A checkpoint folder in the Hugging Face layout to configuration and weights by name.
//
// Opening it maps the weight files and holds every tensor that the towers will ask for against the
// configuration: there, of a floating type, of the right shape. So nothing is allocated from a
// number that the file does not back, and whoever opened it can load either tower at any later time
// without touching the other's pages. Names follow transformers' CLIPModel. Proven on the
// conformance kit's broken checkpoints.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "clip/config.h"
#include "nn/safetensors.h"

namespace pgmmr {

class Checkpoint {
 public:
  // Reads config.json and model.safetensors, or the shards that model.safetensors.index.json names.
  //   throws  Error{kNotFound, kCorrupt, kUnsupported}; the message names file and tensor
  explicit Checkpoint(const std::filesystem::path& folder);

  const ClipConfig& config() const { return config_; }
  const std::filesystem::path& folder() const { return folder_; }

  // The files that the weights lie in, in a fixed order; an index comes first.
  const std::vector<std::filesystem::path>& weight_files() const { return weight_files_; }

  //   requires  a name that CLIPModel of this configuration has
  const Tensor& tensor(std::string_view name) const;
  std::vector<float> floats(const std::string& name) const;

  // exp(logit_scale), by which transformers multiplies similarities.
  float logit_scale() const;

  // Lets the mapped pages go once a tower holds its own copy.
  void release() const;

 private:
  void open_single();
  void open_shards();
  void check() const;
  std::string file_of(std::string_view name) const;

  std::filesystem::path folder_;
  ClipConfig config_;
  std::vector<Safetensors> files_;
  std::vector<std::filesystem::path> weight_files_;
  TensorMap tensors_;  // of all files; they point into files_
};

}  // namespace pgmmr
