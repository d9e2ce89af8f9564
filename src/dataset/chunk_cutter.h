// Rows in order to chunks, cut where the rows' own names say so.
//
// Content-defined chunking, as rsync and backup programs cut files: a boundary depends only on the
// row in front of it, so a row that is added or removed changes its own chunk (at most the next as
// well), and every other chunk keeps its id.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgmmr {

class ChunkCutter {
 public:
  static constexpr std::int64_t kMinRows = 16;
  static constexpr std::int64_t kMaxRows = 256;
  static constexpr std::uint64_t kCutEvery = 64;

  // salt   what every chunk of the source depends on (how rows are read)
  explicit ChunkCutter(std::string salt) : salt_(std::move(salt)) {}

  // Adds a row: its name decides the cuts, name and identity (size, time, digest) the id. True
  // where the chunk ends with this row.
  bool add(std::string_view name, std::string_view identity);

  std::int64_t rows() const { return rows_; }  // of the chunk in hand

  // The id of the chunk in hand; the next row begins another.
  std::string finish();

 private:
  std::string salt_;
  std::string content_;
  std::int64_t rows_ = 0;
};

// A text with its length before it, so that texts written one after another stay apart in a digest.
std::string framed(std::string_view text);

}  // namespace pgmmr
