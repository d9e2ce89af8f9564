// What --model names: a hub id, a folder, or "demo".
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "clip/encoder.h"

namespace pgmmr {

struct ModelSource {
  std::filesystem::path folder;
  std::string id, revision;
};

// A folder that exists wins, then "demo", then the hub (downloading what is missing, with progress
// on a terminal).
ModelSource find_model(const std::string& model);
std::unique_ptr<Encoder> load_model(const std::string& model);

}  // namespace pgmmr
