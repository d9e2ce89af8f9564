// What the tests of this folder share: a folder of files, made by hand or by DuckDB.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "dataset/dataset.h"
#include "dataset/duckdb_session.h"
#include "support/places.h"

namespace pgmmr {

inline bool operator==(const Chunk& a, const Chunk& b) {
  return a.id == b.id && a.payload == b.payload && a.rows == b.rows;
}

namespace test {

inline std::vector<Chunk> chunks_of(const Dataset& dataset) {
  std::vector<Chunk> chunks;
  dataset.chunks([&](Chunk chunk) { chunks.push_back(std::move(chunk)); }, {});
  return chunks;
}

inline std::vector<Row> rows_of(const Dataset& dataset) {
  std::vector<Row> rows;
  for (const Chunk& chunk : chunks_of(dataset)) {
    dataset.read(chunk, [&](Row row) {
      EXPECT_EQ(row.values.size(), dataset.columns().size());
      EXPECT_TRUE(is_utf8(row.key));
      rows.push_back(std::move(row));
    });
  }
  return rows;
}

class DatasetTest : public testing::Test {
 protected:
  const std::filesystem::path& path() const { return folder_.path(); }

  void write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories((path() / name).parent_path());
    std::ofstream(path() / name, std::ios::binary) << bytes;
  }
  std::string read(const std::string& name) const { return read_file(path() / name); }

  void write_parquet(const std::string& name, const std::string& select,
                     const std::string& options = "ROW_GROUP_SIZE 100") const {
    std::filesystem::create_directories((path() / name).parent_path());
    DuckdbSession session({.about = name, .database = {}, .folder = {}});
    session.query("COPY (" + select + ") TO " + duckdb_literal((path() / name).string()) +
                  " (FORMAT parquet, " + options + ")");
  }

  std::unique_ptr<Dataset> open(const std::string& name = "",
                                const SourceOptions& options = {}) const {
    return open_dataset((path() / name).string(), options);
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace test
}  // namespace pgmmr
