// Parquet files as a dataset: local ones, or a hub's shards that are fetched when first read.
//
// A chunk is a run of rows of one file, cut along its row groups and small enough in bytes to be
// read at once. DuckDB skips the row groups that a chunk has nothing of: of 50,000 rows and 200 MB
// in groups of 2,048 a chunk takes 11 ms, all of it 75 ms; inside one group of 50,000 a chunk costs
// as much as the group (150 ms).
// A row that cannot be read (a damaged page, text that isn't UTF-8) is a row with a problem; the
// others of its chunk are read around it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "dataset/dataset.h"
#include "dataset/relation.h"

namespace pgmmr {

struct ParquetFile {
  std::string name;      // in the source: keys begin with it
  std::string identity;  // digest or etag; empty for a local file, whose size and time are taken
  std::uint64_t bytes = 0;
};

class ParquetDataset : public Dataset {
 public:
  struct Input {
    std::string source;
    std::vector<ParquetFile> files;                                   // in order
    std::function<std::filesystem::path(const ParquetFile&)> locate;  // a local copy; any thread
    bool is_remote = false;  // locating costs a download: chunks are planned by size, unread
  };

  // Reads the first file's schema.
  ParquetDataset(Input input, const SourceOptions& options);

  const std::string& source() const override { return input_.source; }
  const std::vector<Column>& columns() const override { return columns_; }
  std::vector<std::string> default_captions() const override;
  void chunks(const std::function<void(Chunk)>& found, std::stop_token stop) const override;
  void read(const Chunk& chunk, const std::function<void(Row)>& found) const override;

 private:
  struct Range {
    std::int64_t first = 0, rows = 0;
  };
  struct Reading;

  std::string find_key(const std::vector<DuckdbColumn>& columns) const;
  std::string identity(const ParquetFile& file, const std::filesystem::path& path) const;
  std::string chunk_id(const std::string& identity, const std::string& payload) const;
  void read_range(Reading& reading, Range range) const;

  Input input_;
  SourceOptions options_;
  Relation relation_;
  std::vector<Column> columns_;
};

}  // namespace pgmmr
