// A folder of pictures as a dataset.
//
// Rows come in the byte order of their relative paths, which are their keys. A caption is the .txt
// beside the picture (its first 64 kB), else what the nearest metadata file says, else the file's
// name as words. Chunks are cut by the pictures' names (chunk_cutter.h) and known by path, size and
// time of change: a second look at a folder reads no picture.
#pragma once

#include <filesystem>
#include <map>
#include <memory>

#include "dataset/dataset.h"
#include "dataset/folder_metadata.h"

namespace pgmmr {

class FolderDataset : public Dataset {
 public:
  // throws  Error{kNotFound} for a folder without pictures
  FolderDataset(const std::filesystem::path& folder, const SourceOptions& options);

  const std::string& source() const override { return source_; }
  const std::vector<Column>& columns() const override { return columns_; }
  std::vector<std::string> default_captions() const override;
  void chunks(const std::function<void(Chunk)>& found, std::stop_token stop) const override;
  void read(const Chunk& chunk, const std::function<void(Row)>& found) const override;

 private:
  struct Metadata {
    FolderMetadata file;
    std::vector<std::size_t> places;  // of its columns in columns_; kNowhere for the caption
  };

  void add_metadata(const std::string& directory, FolderMetadata file);
  const FolderMetadata::Entry* metadata_entry(const std::string& relative,
                                              const Metadata** metadata) const;
  Row row(const std::string& relative, bool has_caption_file) const;

  std::filesystem::path root_;
  std::string source_;
  SourceOptions options_;
  std::vector<Column> columns_;
  std::map<std::string, Metadata> metadata_;  // by directory, "" for the root
};

}  // namespace pgmmr
