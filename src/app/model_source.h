// What --model names: a hub id, a folder, or "demo".
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "app/command.h"
#include "clip/encoder.h"
#include "hub/hub.h"
#include "store/collection.h"

namespace pgmmr {

struct ModelSource {
  std::filesystem::path folder;
  std::string id, revision;
};

// A folder that exists wins, then "demo", then the hub (downloading what is missing, with progress
// on a terminal).
//   revision  of the hub: a branch, tag, refs/… or commit; "" is main. A commit whose files are in
//             the cache costs no request, so whoever has stored one (a collection) passes it.
//   throws    as Hub::file and load_encoder; Error{kNotFound} for a folder that isn't there
ModelSource find_model(const std::string& model, const std::string& revision = "");
std::unique_ptr<Encoder> load_model(const std::string& model, const std::string& revision,
                                    const EncoderOptions& options);

// The model whose embeddings the collection holds, or the one named instead where that isn't empty.
std::unique_ptr<Encoder> load_model_of(const Collection& collection, const std::string& instead,
                                       const EncoderOptions& options);

// --precision of a command that embeds; the name is checked when arguments are read.
void add_precision_option(CLI::App& command, Precision& precision);

// --exact of a command that embeds pictures.
void add_exact_flag(CLI::App& command, bool& exact);

// Draws a line a file on a terminal, nothing elsewhere; stops the transfer on Ctrl-C.
DownloadProgress download_progress();

}  // namespace pgmmr
