// A second Dataset, for tests: rows that are numbers, each with the picture of its number.
#pragma once

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "dataset/dataset.h"
#include "image/encode.h"
#include "support/colour_encoder.h"

namespace pgmmr::test {

inline std::string png_of(int n, int width = 6, int height = 4) {
  return encode_png(picture_of(n, width, height));
}

// Rows 0 to count-1 in chunks of chunk_rows, their pictures inside unless folder is set.
class NumberDataset : public Dataset {
 public:
  explicit NumberDataset(int count, int chunk_rows = 37) : count_(count), chunk_rows_(chunk_rows) {}

  const std::string& source() const override { return source_; }
  const std::vector<Column>& columns() const override { return columns_; }
  std::vector<std::string> default_captions() const override { return {"caption"}; }

  void chunks(const std::function<void(Chunk)>& found, std::stop_token stop) const override {
    for (int first = 0; first < count_; first += chunk_rows_) {
      if (stop.stop_requested()) throw Error(ErrorKind::kCancelled, "stopped");
      const int rows = std::min(chunk_rows_, count_ - first);
      std::string contents = std::to_string(first) + " " + std::to_string(rows);
      for (int n = first; n < first + rows; ++n) {
        if (broken.contains(n)) contents += " b" + std::to_string(n);
        if (missing.contains(n)) contents += " m" + std::to_string(n);
      }
      found({sha256_hex(contents), std::to_string(first) + " " + std::to_string(rows), rows});
    }
  }

  void read(const Chunk& chunk, const std::function<void(Row)>& found) const override {
    const int first = std::stoi(chunk.payload);
    const int rows = std::stoi(chunk.payload.substr(chunk.payload.find(' ')));
    for (int n = first; n < first + rows; ++n) {
      if (n == damaged_from) throw Error(ErrorKind::kCorrupt, "numbers: a damaged page");
      Row row;
      row.key = "row/" + std::to_string(n);
      row.values = {std::int64_t{n}, caption(n)};
      if (missing.contains(n)) {
        row.problem = "no picture";
      } else {
        row.image_bytes = broken.contains(n) ? "not a picture" : png_of(n);
      }
      found(std::move(row));
    }
  }

  std::function<std::string(int)> caption = [](int n) { return "picture " + std::to_string(n); };
  std::set<int> broken, missing;
  int damaged_from = -1;
  std::string source_ = "numbers";
  std::vector<Column> columns_ = {{"number", ColumnType::kBigint}, {"caption", ColumnType::kText}};

 private:
  int count_, chunk_rows_;
};

}  // namespace pgmmr::test
