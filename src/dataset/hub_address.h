// hf://datasets/OWNER/NAME[@REVISION][/CONFIG[/SPLIT]], and which of a repository's files it means.
#pragma once

#include <string>
#include <vector>

#include "hub/hub.h"

namespace pgmmr {

struct HubAddress {
  std::string repo;      // OWNER/NAME
  std::string revision;  // empty for main, and then also for what the hub converted to Parquet
  std::string below;     // CONFIG, CONFIG/SPLIT, SPLIT, or the path of a file, with * and ?
};

//   throws  Error{kInvalidArgument}
HubAddress parse_hub_address(const std::string& address);
std::string to_string(const HubAddress& address);

// The repository's Parquet files that the address means, in order. Knows the layouts data/SPLIT-*,
// CONFIG/SPLIT-*, CONFIG/SPLIT/*, SPLIT/* and files at the top; metadata.parquet lists files and
// holds no pictures.
//   returns  nothing where the repository has no Parquet files at all
//   throws   Error{kInvalidArgument} where it has several configurations and the address names
//            none, kNotFound where it has none of that name; the message lists those there are
std::vector<HubFile> choose_parquet(const HubAddress& address, const std::vector<HubFile>& files);

}  // namespace pgmmr
