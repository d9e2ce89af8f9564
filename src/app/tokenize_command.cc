// pgmmr tokenize TEXT: the token ids a model reads for a text.
#include <fmt/core.h>

#include <memory>
#include <string>

#include "app/command.h"
#include "app/model_source.h"
#include "base/file.h"
#include "base/settings.h"
#include "clip/config.h"
#include "clip/tokenizer.h"

namespace pgmmr {
namespace {

struct Options {
  std::string text;
  std::string model = default_model();
  bool truncate = false;
};

// A folder may hold a tokenizer alone; then CLIP's 77.
int context_length(const std::filesystem::path& folder) {
  const auto file = folder / "config.json";
  if (!std::filesystem::exists(file)) return TextConfig{}.max_position_embeddings;
  return parse_config(read_file(file), file.string()).text.max_position_embeddings;
}

void tokenize(const Options& options) {
  const ModelSource source = find_model(options.model);
  const Tokenizer tokenizer = Tokenizer::load(source.folder);
  const auto ids = options.truncate ? tokenizer.encode(options.text, context_length(source.folder))
                                    : tokenizer.encode(options.text);
  std::string list;
  for (const auto id : ids) list += (list.empty() ? "" : ",") + std::to_string(id);
  fmt::print("{{\"ids\":[{}]}}\n", list);
}

}  // namespace

void add_tokenize_command(CLI::App& app, int&) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("tokenize", "Show the token ids a model reads for a text");
  command
      ->add_option("TEXT", options->text,
                   "The text, taken literally (after -- if it begins with -)")
      ->required();
  command->add_option("--model", options->model, "A hub id, a folder, or \"demo\"")
      ->capture_default_str();
  command->add_flag("--truncate", options->truncate, "Cut to the length of the model's context");
  command->callback([options] { tokenize(*options); });
}

}  // namespace pgmmr
