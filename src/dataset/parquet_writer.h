// Rows to a Parquet file, through DuckDB: a table function of ours gives the rows, COPY casts and
// writes them, so that memory holds one row group.
//
// Proven by reading the file back with DuckDB.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pgmmr {

struct ParquetColumn {
  std::string name;
  std::string type;  // PostgreSQL's name; numeric, which has no bounds there, is written as text
};

struct ParquetRow {
  std::vector<std::optional<std::string>> values;  // as CollectionScan gives them
  std::vector<float> embedding;
};

// Writes the columns and, after them, `embedding` as a list of floats. Writes beside path and
// renames.
//   next    the next row, nothing at the end; its exceptions come out of here
//   throws  Error{kUnavailable} where path cannot be written
void write_parquet(const std::filesystem::path& path, const std::vector<ParquetColumn>& columns,
                   const std::function<std::optional<ParquetRow>()>& next);

}  // namespace pgmmr
