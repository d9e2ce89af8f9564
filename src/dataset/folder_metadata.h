// metadata.csv, metadata.jsonl, metadata.parquet beside pictures: what a folder says about its
// files, as Hugging Face's imagefolder has it (datasets' packaged_modules/folder_based_builder).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dataset/dataset.h"

namespace pgmmr {

// One metadata file, in memory (about 300 bytes a row).
class FolderMetadata {
 public:
  // The folder's metadata file; nothing where it has none.
  //   throws  Error{kCorrupt, kInvalidArgument} for one that cannot be read or has no file_name
  static std::optional<FolderMetadata> find(const std::filesystem::path& folder);

  struct Entry {
    std::string caption;        // empty where the file has no caption column or this row no caption
    std::vector<Value> values;  // one for each of columns()
    std::string digest;         // SHA-256 over the row
  };

  const std::vector<Column>& columns() const { return columns_; }
  const std::string& caption_column() const { return caption_column_; }  // one of columns(), or ""

  // What the file says about a path relative to its folder; null where it says nothing.
  const Entry* entry(const std::string& relative) const;

 private:
  std::vector<Column> columns_;
  std::string caption_column_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace pgmmr
