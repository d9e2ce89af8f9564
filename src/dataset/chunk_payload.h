// What a chunk holds, as the JSON that the ledger keeps.
//
// The ledger is a table that others may write to, so a payload is judged like any input: paths that
// leave the source, numbers that make no sense and unknown files are errors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pgmmr {

struct FolderPayload {
  struct File {
    std::string key;  // as key_of_path() writes it
    bool has_caption_file = false;
  };
  std::vector<File> files;
};

// Rows [first, first + rows) of a file; or, where a file's rows are not known yet, part of parts.
struct RangePayload {
  std::string file;  // its name in the source; empty for a table
  std::int64_t first = 0, rows = 0;
  std::int64_t part = 0, parts = 0;
  std::vector<std::int64_t> repeated;  // rows whose key an earlier row has
};

std::string to_json(const FolderPayload& payload);
std::string to_json(const RangePayload& payload);

//   throws  Error{kCorrupt}; the message names the chunk
FolderPayload parse_folder_payload(const std::string& json);
RangePayload parse_range_payload(const std::string& json);

// True where a relative path stays below the folder it is relative to.
bool stays_below(const std::string& relative);

}  // namespace pgmmr
