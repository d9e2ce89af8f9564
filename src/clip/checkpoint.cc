#include "clip/checkpoint.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"

namespace pgmmr {
namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::size_t kMaxConfigBytes = 16 << 20;
constexpr std::size_t kMaxIndexBytes = 100 << 20;

struct Expected {
  std::string name;
  std::vector<std::int64_t> shape;
};

void add_layer(std::vector<Expected>& all, const std::string& name, std::int64_t out,
               std::int64_t in) {
  all.push_back({name + ".weight", {out, in}});
  all.push_back({name + ".bias", {out}});
}

void add_norm(std::vector<Expected>& all, const std::string& name, std::int64_t width) {
  all.push_back({name + ".weight", {width}});
  all.push_back({name + ".bias", {width}});
}

void add_blocks(std::vector<Expected>& all, const std::string& tower, const TowerConfig& config) {
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    const std::string block = tower + ".encoder.layers." + std::to_string(i) + ".";
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      add_layer(all, block + "self_attn." + name, config.hidden_size, config.hidden_size);
    }
    add_norm(all, block + "layer_norm1", config.hidden_size);
    add_norm(all, block + "layer_norm2", config.hidden_size);
    add_layer(all, block + "mlp.fc1", config.intermediate_size, config.hidden_size);
    add_layer(all, block + "mlp.fc2", config.hidden_size, config.intermediate_size);
  }
}

// Every tensor CLIPModel has, in the order a reader of the message would look for them.
std::vector<Expected> expected_tensors(const ClipConfig& config) {
  std::vector<Expected> all;
  const TextConfig& text = config.text;
  all.push_back(
      {"text_model.embeddings.token_embedding.weight", {text.vocab_size, text.hidden_size}});
  all.push_back({"text_model.embeddings.position_embedding.weight",
                 {text.max_position_embeddings, text.hidden_size}});
  add_blocks(all, "text_model", text);
  add_norm(all, "text_model.final_layer_norm", text.hidden_size);
  all.push_back({"text_projection.weight", {config.projection_dim, text.hidden_size}});

  const VisionConfig& vision = config.vision;
  const std::int64_t side = vision.image_size / vision.patch_size;
  all.push_back({"vision_model.embeddings.class_embedding", {vision.hidden_size}});
  all.push_back({"vision_model.embeddings.patch_embedding.weight",
                 {vision.hidden_size, 3, vision.patch_size, vision.patch_size}});
  all.push_back(
      {"vision_model.embeddings.position_embedding.weight", {side * side + 1, vision.hidden_size}});
  add_norm(all, "vision_model.pre_layrnorm", vision.hidden_size);  // spelled so
  add_blocks(all, "vision_model", vision);
  add_norm(all, "vision_model.post_layernorm", vision.hidden_size);
  all.push_back({"visual_projection.weight", {config.projection_dim, vision.hidden_size}});
  all.push_back({"logit_scale", {}});
  return all;
}

// A layer of an encoder beyond what the configuration says, or nothing.
bool is_surplus_layer(const std::string& name, const ClipConfig& config) {
  for (const auto& [prefix, layers] :
       {std::pair{std::string("text_model.encoder.layers."), config.text.num_hidden_layers},
        std::pair{std::string("vision_model.encoder.layers."), config.vision.num_hidden_layers}}) {
    if (!name.starts_with(prefix)) continue;
    const std::string digits =
        name.substr(prefix.size(), name.find('.', prefix.size()) - prefix.size());
    const bool number =
        !digits.empty() && digits.find_first_not_of("0123456789") == std::string::npos;
    if (number && (digits.size() > 6 || std::stoi(digits) >= layers)) return true;
  }
  return false;
}

// "tensor name -> file name" of an index; the names are only believed to be names in the folder.
std::map<std::string, std::string> read_index(const std::filesystem::path& path) {
  using nlohmann::json;
  const std::string where = path.string() + ": ";
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorKind::kCorrupt, where + what);
  };
  json root;
  try {
    root = json::parse(read_file(path, kMaxIndexBytes));
  } catch (const json::exception& error) {
    refuse(std::string("is not valid JSON: ") + error.what());
  }
  const auto map = root.is_object() ? root.find("weight_map") : root.end();
  if (!root.is_object() || map == root.end() || !map->is_object() || map->empty()) {
    refuse("holds no object \"weight_map\" of tensor names and file names");
  }
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) refuse("weight_map: the file of " + tensor + " is not text");
    const auto name = file.get<std::string>();
    if (name.empty() || name == "." || name == ".." ||
        name.find_first_of(std::string("/\\\0", 3)) != std::string::npos) {
      refuse("weight_map: the shard \"" + name + "\" of " + tensor +
             " is not a plain file name; shards lie in the checkpoint's folder");
    }
    files[tensor] = name;
  }
  return files;
}

}  // namespace

Checkpoint::Checkpoint(const std::filesystem::path& folder) : folder_(folder) {
  if (!std::filesystem::is_directory(folder)) {
    throw Error(ErrorKind::kNotFound, "loading a model: no folder " + folder.string());
  }
  const auto config_file = folder / "config.json";
  config_ = parse_config(read_file(config_file, kMaxConfigBytes), config_file.string());
  if (std::filesystem::exists(folder / kSingle)) {
    open_single();
  } else if (std::filesystem::exists(folder / kIndex)) {
    open_shards();
  } else {
    const bool pickle = std::filesystem::exists(folder / "pytorch_model.bin");
    throw Error(ErrorKind::kNotFound,
                folder.string() + ": neither " + kSingle + " nor " + kIndex + " is in the folder" +
                    (pickle ? ", only pytorch_model.bin, which this program does not read" : ""));
  }
  check();
}

void Checkpoint::open_single() {
  files_.emplace_back(folder_ / kSingle);
  weight_files_.push_back(folder_ / kSingle);
  tensors_ = files_.back().tensors();
}

void Checkpoint::open_shards() {
  const auto index = folder_ / kIndex;
  weight_files_.push_back(index);
  const auto where = read_index(index);
  std::set<std::string> names;
  for (const auto& [tensor, file] : where) names.insert(file);
  files_.reserve(names.size());
  for (const std::string& name : names) {
    const auto path = folder_ / name;
    if (!std::filesystem::exists(path)) {
      throw Error(ErrorKind::kNotFound,
                  path.string() + ": no such file, though " + kIndex + " names it as a shard");
    }
    files_.emplace_back(path);
    weight_files_.push_back(path);
    for (const auto& [tensor, value] : files_.back().tensors()) {
      const auto said = where.find(tensor);
      if (said == where.end()) continue;
      if (said->second != name) {
        throw Error(ErrorKind::kCorrupt, index.string() + ": says that tensor \"" + tensor +
                                             "\" lies in " + said->second + ", found it in " +
                                             name);
      }
      tensors_.emplace(tensor, value);
    }
  }
}

std::string Checkpoint::file_of(std::string_view name) const {
  for (const Safetensors& file : files_) {
    if (file.tensors().contains(name)) return file.path().string();
  }
  return weight_files_.front().string();
}

void Checkpoint::check() const {
  for (const Expected& expected : expected_tensors(config_)) {
    const auto found = tensors_.find(expected.name);
    if (found == tensors_.end()) {
      throw Error(ErrorKind::kCorrupt,
                  weight_files_.front().string() + ": tensor \"" + expected.name + "\" is missing");
    }
    const Tensor& tensor = found->second;
    const std::string where = file_of(expected.name) + ": tensor \"" + expected.name + "\": ";
    if (tensor.shape != expected.shape) {
      throw Error(ErrorKind::kCorrupt, where + "shape " + shape_text(tensor.shape) + ", expected " +
                                           shape_text(expected.shape) + " by config.json");
    }
    if (!tensor.is_floating()) {
      throw Error(ErrorKind::kUnsupported,
                  where + "dtype " + tensor.type_name +
                      " is not usable as a weight, expected F32, F16 or BF16");
    }
  }
  for (const auto& [name, tensor] : tensors_) {
    if (is_surplus_layer(name, config_)) {
      throw Error(ErrorKind::kCorrupt, file_of(name) + ": tensor \"" + name +
                                           "\" belongs to a layer beyond num_hidden_layers of "
                                           "config.json");
    }
  }
}

const Tensor& Checkpoint::tensor(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    throw Error(ErrorKind::kInternal, "asked for an unchecked tensor " + std::string(name));
  }
  return found->second;
}

std::vector<float> Checkpoint::floats(const std::string& name) const {
  const Tensor& values = tensor(name);
  std::vector<float> out(values.count());
  copy_floats(values, 0, out.size(), out.data());
  return out;
}

float Checkpoint::logit_scale() const { return std::exp(floats("logit_scale").at(0)); }

void Checkpoint::release() const {
  for (const Safetensors& file : files_) file.release();
}

}  // namespace pgmmr
