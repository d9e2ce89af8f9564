// A model's identity: one digest over the files that decide what it computes.
//
// Two folders with equal files have the same fingerprint, wherever they lie and whatever they are
// called. A file's own digest is kept in data_dir()/digests under its path, size and time of
// change, because reading 600 MB takes half a second and a search should start in less.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace pgmmr {

// What must be the same for something known of a file to be believed again: path, device, inode,
// size, times. The time of change of status can't be set back by a program that rewrites a file and
// its date.
//   throws  Error{kNotFound}
std::string file_identity(const std::filesystem::path& path);

// SHA-256, 64 hex digits, of a file's bytes; of a large file as it was kept.
//   throws  Error{kNotFound, kUnavailable}
std::string file_digest(const std::filesystem::path& path);

// SHA-256, 64 hex digits, over the names and SHA-256 digests of config.json,
// preprocessor_config.json where there is one, tokenizer.json or else vocab.json and merges.txt,
// and weight_files.
//   throws  Error{kNotFound, kUnavailable} where a file can't be read
std::string model_fingerprint(const std::filesystem::path& folder,
                              const std::vector<std::filesystem::path>& weight_files);

}  // namespace pgmmr
