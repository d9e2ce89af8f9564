// config.json of a CLIP checkpoint, with transformers' class defaults filled in (CLIPConfig,
// CLIPTextConfig, CLIPVisionConfig).
#pragma once

#include <string>
#include <string_view>

namespace pgmmr {

enum class Activation { kQuickGelu, kGelu };

struct TowerConfig {
  int hidden_size = 0;
  int intermediate_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  Activation hidden_act = Activation::kQuickGelu;
  float layer_norm_eps = 1e-5f;
};

struct TextConfig : TowerConfig {
  int vocab_size = 49408;
  int max_position_embeddings = 77;
  int eos_token_id = 49407;  // 2 means: pool at the largest id
};

struct VisionConfig : TowerConfig {
  int image_size = 224;
  int patch_size = 32;
};

struct ClipConfig {
  int projection_dim = 512;
  TextConfig text;
  VisionConfig vision;
};

//   throws  Error{kCorrupt} for what is not JSON or breaks a rule, kUnsupported for another model
//   or activation;
//           the message begins with file_name and names the key
ClipConfig parse_config(std::string_view json, const std::string& file_name);

}  // namespace pgmmr
