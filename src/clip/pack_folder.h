// Where towers' packed weights lie between processes: data_dir()/weights.
//
// A file's name says which model, tower, precision and instructions it is for, so that what an
// update makes stale is replaced; the key inside says all of it exactly, with the versions of the
// libraries that laid it out. Losing the folder costs the time to make it again.
//
// A file is summed up before it is used, which takes as long as a text's embedding; what came out
// is believed as long as the file's identity stays the same, as with digests (clip/fingerprint.h).
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "nn/precision.h"
#include "nn/weight_pack.h"

namespace pgmmr {

class PackFolder {
 public:
  //   folder       nothing for data_dir()/weights
  //   fingerprint  of the model
  //   tower        "text", "vision"
  PackFolder(const std::optional<std::filesystem::path>& folder, const std::string& fingerprint,
             const std::string& tower, Precision precision);

  // What was kept and is whole; nothing where it is missing, stale or damaged.
  std::optional<WeightPack> find() const;

  // Where the folder can't be written, nothing is kept, and that is no fault.
  void keep(const WeightPack& pack) const;

 private:
  std::filesystem::path stamp() const;  // holds the identity of a file that was found whole
  std::string checked_identity() const;

  std::filesystem::path file_;  // empty without a folder
  std::string key_;
};

}  // namespace pgmmr
