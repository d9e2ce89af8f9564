// CSV, TSV, JSON, JSON lines, or a query: read once by DuckDB into a table in a temporary file,
// from which chunks are read.
//
// Chunks are cut by the rows' keys and known by the rows' contents (and their pictures' size and
// time), so a line added to a file costs its own chunk. A line that breaks the format becomes a row
// with a problem. Memory is bounded; the disk holds a copy of the source.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dataset/dataset.h"
#include "dataset/duckdb_session.h"
#include "dataset/relation.h"

namespace pgmmr {

class TableDataset : public Dataset {
 public:
  // Files of one kind (by extension), in order.
  TableDataset(std::string source, std::vector<std::filesystem::path> files,
               const SourceOptions& options);

  // One SELECT. It reads what the user can read, and no network: DuckDB's extensions for it are
  // neither built in nor loaded.
  TableDataset(const std::string& sql, const SourceOptions& options);

  ~TableDataset() override;

  const std::string& source() const override { return source_; }
  const std::vector<Column>& columns() const override { return columns_; }
  std::vector<std::string> default_captions() const override;
  void chunks(const std::function<void(Chunk)>& found, std::stop_token stop) const override;
  void read(const Chunk& chunk, const std::function<void(Row)>& found) const override;

 private:
  struct Range {
    std::int64_t first = 0, rows = 0;
  };
  struct Scratch;  // the temporary folder

  void load(const std::vector<std::string>& relations);
  void append(std::size_t file, const std::string& relation);
  void append_broken_lines(std::size_t file);
  void settle_keys();
  void read_rows(DuckdbSession& session, Range range,
                 const std::function<void(Row, const std::string& identity)>& found) const;

  std::string source_;
  SourceOptions options_;
  std::vector<std::filesystem::path> files_;  // empty for a query
  std::unique_ptr<Scratch> scratch_;
  std::unique_ptr<DuckdbSession> session_;  // used by the constructor; readers take another()
  Relation relation_;
  std::vector<Column> columns_;
  bool has_json_ = false;
  bool is_keyed_ = false;  // rows are known by a column, not by their place
  std::int64_t rows_ = 0;

  mutable std::mutex mutex_;
  mutable std::map<std::string, Range> planned_;  // by chunk id; guarded by mutex_
};

}  // namespace pgmmr
