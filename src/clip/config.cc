#include "clip/config.h"

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"

namespace pgmmr {
namespace {

using nlohmann::json;

// Far above any model there is, far below where products of two sizes could overflow 64 bits.
constexpr std::int64_t kLargestSize = 1 << 20;
constexpr std::int64_t kMostLayers = 1024;

// One section of the file, and how its keys are spelled in messages.
struct Section {
  const json* object;  // null where the section is missing: every key takes its default
  std::string where;   // "config.json: text_config."

  [[noreturn]] void refuse(const char* key, const std::string& what) const {
    throw Error(ErrorKind::kCorrupt, where + key + " " + what);
  }

  // A key that is null counts as missing.
  const json* find(const char* key) const {
    if (object == nullptr) return nullptr;
    const auto it = object->find(key);
    return it == object->end() || it->is_null() ? nullptr : &*it;
  }

  int integer(const char* key, int otherwise, std::int64_t low, std::int64_t high) const {
    const json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_number_integer()) {
      refuse(key, std::string("must be an integer, found a ") + value->type_name());
    }
    const bool fits = value->is_number_unsigned()
                          ? value->get<std::uint64_t>() <= static_cast<std::uint64_t>(high)
                          : value->get<std::int64_t>() <= high;
    if (!fits || value->get<std::int64_t>() < low) {
      refuse(key, "is " + value->dump() + ", expected " + std::to_string(low) + " to " +
                      std::to_string(high));
    }
    return value->get<int>();
  }

  int positive(const char* key, int otherwise) const {
    return integer(key, otherwise, 1, kLargestSize);
  }

  std::optional<std::string> text(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) {
      refuse(key, std::string("must be text, found a ") + value->type_name());
    }
    return value->get<std::string>().substr(0, 100);
  }
};

Activation activation(const Section& section) {
  const std::string name = section.text("hidden_act").value_or("quick_gelu");
  if (name == "quick_gelu") return Activation::kQuickGelu;
  if (name == "gelu") return Activation::kGelu;
  throw Error(ErrorKind::kUnsupported, section.where + "hidden_act is \"" + name +
                                           "\", known are \"quick_gelu\" and \"gelu\"");
}

float epsilon(const Section& section) {
  const json* value = section.find("layer_norm_eps");
  if (value == nullptr) return 1e-5f;
  const double eps = value->is_number() ? value->get<double>() : -1;
  if (!(eps > 0 && eps < 1)) {
    section.refuse("layer_norm_eps", "must be a number between 0 and 1");
  }
  return static_cast<float>(eps);
}

struct TowerDefaults {
  int hidden_size, intermediate_size, num_attention_heads;
};

void read_tower(const Section& section, const TowerDefaults& defaults, TowerConfig& tower) {
  tower.hidden_size = section.positive("hidden_size", defaults.hidden_size);
  tower.intermediate_size = section.positive("intermediate_size", defaults.intermediate_size);
  tower.num_hidden_layers = section.integer("num_hidden_layers", 12, 1, kMostLayers);
  tower.num_attention_heads = section.positive("num_attention_heads", defaults.num_attention_heads);
  tower.hidden_act = activation(section);
  tower.layer_norm_eps = epsilon(section);
  if (tower.hidden_size % tower.num_attention_heads != 0) {
    section.refuse("hidden_size", "(" + std::to_string(tower.hidden_size) +
                                      ") is not divisible by num_attention_heads (" +
                                      std::to_string(tower.num_attention_heads) + ")");
  }
}

// text_config, or text_config_dict where that is there: it replaces the whole section, because
// transformers completes it with the class defaults before it lets it win.
Section section(const json& root, const char* name, const std::string& file_name) {
  for (const std::string& key : {std::string(name) + "_dict", std::string(name)}) {
    const auto it = root.find(key);
    if (it == root.end() || it->is_null()) continue;
    if (!it->is_object()) {
      throw Error(ErrorKind::kCorrupt,
                  file_name + ": " + key + " must be an object, found a " + it->type_name());
    }
    return {&*it, file_name + ": " + key + "."};
  }
  return {nullptr, file_name + ": " + name + "."};
}

json parse(std::string_view text, const std::string& file_name) {
  try {
    return json::parse(text);
  } catch (const json::exception& error) {
    std::string why = error.what();  // "[json.exception.parse_error.101] parse error at line ..."
    if (const auto start = why.find("] "); start != std::string::npos) why.erase(0, start + 2);
    throw Error(ErrorKind::kCorrupt, file_name + ": is not valid JSON: " + why);
  }
}

}  // namespace

ClipConfig parse_config(std::string_view text, const std::string& file_name) {
  const json root = parse(text, file_name);
  if (!root.is_object()) {
    throw Error(ErrorKind::kCorrupt,
                file_name + ": must hold an object, found a " + root.type_name());
  }
  const Section top{&root, file_name + ": "};
  if (const auto type = top.text("model_type"); type.value_or("clip") != "clip") {
    throw Error(ErrorKind::kUnsupported,
                file_name + ": model_type is \"" + *type + "\", expected \"clip\"");
  }
  ClipConfig config;
  config.projection_dim = top.positive("projection_dim", 512);

  const Section words = section(root, "text_config", file_name);
  read_tower(words, {.hidden_size = 512, .intermediate_size = 2048, .num_attention_heads = 8},
             config.text);
  config.text.vocab_size = words.integer("vocab_size", 49408, 1, 1 << 30);
  config.text.max_position_embeddings = words.integer("max_position_embeddings", 77, 2, 1 << 16);
  config.text.eos_token_id = words.integer("eos_token_id", 49407, 0, 1 << 30);

  const Section pixels = section(root, "vision_config", file_name);
  read_tower(pixels, {.hidden_size = 768, .intermediate_size = 3072, .num_attention_heads = 12},
             config.vision);
  config.vision.image_size = pixels.integer("image_size", 224, 1, 1 << 14);
  config.vision.patch_size = pixels.integer("patch_size", 32, 1, 1 << 14);
  if (config.vision.patch_size > config.vision.image_size) {
    pixels.refuse("patch_size", "(" + std::to_string(config.vision.patch_size) +
                                    ") is larger than image_size (" +
                                    std::to_string(config.vision.image_size) + ")");
  }
  if (pixels.integer("num_channels", 3, 1, kLargestSize) != 3) {
    throw Error(ErrorKind::kUnsupported, pixels.where + "num_channels is not 3");
  }
  return config;
}

}  // namespace pgmmr
