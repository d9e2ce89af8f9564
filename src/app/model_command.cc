// pgmmr model pull|info: fetch a model, say what it is.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/model_source.h"
#include "clip/checkpoint.h"
#include "clip/config.h"
#include "clip/fingerprint.h"
#include "clip/tokenizer.h"
#include "nn/safetensors.h"

namespace pgmmr {
namespace {

using Json = nlohmann::ordered_json;

struct ModelArguments {
  std::string model, revision, format = "table";
};

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3) text.insert(at, ",");
  return text;
}

const char* name_of(Activation activation) {
  return activation == Activation::kQuickGelu ? "quick_gelu" : "gelu";
}

Json describe(const TowerConfig& tower) {
  return {{"hidden_size", tower.hidden_size},
          {"layers", tower.num_hidden_layers},
          {"heads", tower.num_attention_heads},
          {"intermediate_size", tower.intermediate_size},
          {"activation", name_of(tower.hidden_act)}};
}

Json describe_files(const std::filesystem::path& folder) {
  std::map<std::string, std::uint64_t> sizes;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) sizes[entry.path().filename()] = entry.file_size();
  }
  Json files = Json::array();
  for (const auto& [name, size] : sizes) files.push_back({{"name", name}, {"size", size}});
  return files;
}

Json describe_source(const ModelSource& source) {
  Json model{{"model", source.id}};
  if (!source.revision.empty()) model["revision"] = source.revision;
  model["folder"] = std::filesystem::absolute(source.folder).lexically_normal().string();
  return model;
}

// The parameters and how they are stored: F32, F16, BF16, or several.
void describe_weights(const Checkpoint& checkpoint, Json& model) {
  std::uint64_t parameters = 0;
  std::map<std::string, std::uint64_t> types;
  for (const auto& path : checkpoint.weight_files()) {
    if (path.extension() != ".safetensors") continue;
    const Safetensors file(path);
    for (const auto& [name, tensor] : file.tensors()) {
      if (!tensor.is_floating()) continue;
      parameters += tensor.count();
      types[tensor.type_name] += tensor.count();
    }
  }
  model["parameters"] = parameters;
  Json stored = Json::object();
  for (const auto& [type, count] : types) stored[type] = count;
  model["stored_as"] = std::move(stored);
}

Json describe_model(const ModelSource& source) {
  const Checkpoint checkpoint(source.folder);
  const ClipConfig& config = checkpoint.config();
  const Tokenizer tokenizer = Tokenizer::load(source.folder);
  Json model = describe_source(source);
  model["architecture"] = fmt::format("CLIP ViT, patches of {}", config.vision.patch_size);
  model["dim"] = config.projection_dim;
  describe_weights(checkpoint, model);
  model["vision"] = describe(config.vision);
  model["vision"]["image_size"] = config.vision.image_size;
  model["vision"]["patch_size"] = config.vision.patch_size;
  model["text"] = describe(config.text);
  model["text"]["context_length"] = config.text.max_position_embeddings;
  model["text"]["vocabulary"] = config.text.vocab_size;
  model["tokens"] = tokenizer.max_id() + 1;
  model["fingerprint"] = model_fingerprint(source.folder, checkpoint.weight_files());
  model["files"] = describe_files(source.folder);
  return model;
}

void print_row(const std::string& name, const std::string& value) {
  fmt::print("{:<14}{}\n", name, value);
}

std::string tower_line(const Json& tower) {
  return fmt::format("{} layers, {} wide, {} heads, {}", tower["layers"].get<int>(),
                     tower["hidden_size"].get<int>(), tower["heads"].get<int>(),
                     tower["activation"].get<std::string>());
}

void print_model(const Json& model) {
  print_row("model", model["model"]);
  if (model.contains("revision")) print_row("revision", model["revision"]);
  print_row("folder", model["folder"]);
  if (model.contains("architecture")) {
    const Json &vision = model["vision"], &text = model["text"];
    print_row("architecture", model["architecture"]);
    print_row("embedding", fmt::format("{} dimensions", model["dim"].get<int>()));
    print_row("parameters", grouped(model["parameters"]));
    std::string stored;
    for (const auto& [type, count] : model["stored_as"].items()) {
      stored += (stored.empty() ? "" : ", ") + type;
      if (model["stored_as"].size() > 1) stored += " (" + grouped(count) + ")";
    }
    print_row("stored as", stored);
    print_row("pictures", fmt::format("{0} x {0} pixels; {1}", vision["image_size"].get<int>(),
                                      tower_line(vision)));
    print_row("texts",
              fmt::format("{} tokens; {}", text["context_length"].get<int>(), tower_line(text)));
    print_row("tokenizer", grouped(model["tokens"].get<std::uint64_t>()) + " tokens");
    print_row("fingerprint", model["fingerprint"]);
  }
  const char* heading = "files";
  for (const auto& file : model["files"]) {
    print_row(heading,
              fmt::format("{:>13}  {}", grouped(file["size"]), file["name"].get<std::string>()));
    heading = "";
  }
}

void print(const Json& model, const std::string& format) {
  if (format == "json") {
    fmt::print("{}\n", model.dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    print_model(model);
  }
}

}  // namespace

void add_model_command(CLI::App& app, int&) {
  CLI::App* model = app.add_subcommand("model", "Fetch a model, or say what it is");
  model->require_subcommand(1);
  const auto arguments = std::make_shared<ModelArguments>();
  const auto add = [&](const char* name, const char* help) {
    CLI::App* command = model->add_subcommand(name, help);
    command->add_option("model", arguments->model, "hub id, folder or \"demo\"")->required();
    command->add_option("--revision", arguments->revision, "branch, tag or commit of the hub");
    command->add_option("--format", arguments->format, "table or json")
        ->check(CLI::IsMember({"table", "json"}));
    return command;
  };
  add("pull", "download what an encoder reads of a model into the hub's cache")
      ->callback([arguments] {
        const ModelSource source = find_model(arguments->model, arguments->revision);
        Json found = describe_source(source);
        found["files"] = describe_files(source.folder);
        print(found, arguments->format);
      });
  add("info", "a model's architecture, sizes, files and fingerprint")->callback([arguments] {
    print(describe_model(find_model(arguments->model, arguments->revision)), arguments->format);
  });
}

}  // namespace pgmmr
