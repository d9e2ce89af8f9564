// One chunk: rows in, stored rows and rejects out.
//
// A row, its picture and its embedding stay in one place from the read to the COPY; what cannot
// become a picture is rejected with its reason and never shifts another. Pictures are decoded a
// batch at a time, so memory holds a batch however long the chunk.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "clip/encoder.h"
#include "dataset/dataset.h"
#include "image/decode.h"
#include "ingest/layout.h"
#include "store/ledger.h"

namespace pgmmr {

struct IntakeTally {
  std::int64_t stored = 0, rejected = 0;
  // encode includes what the encoder does to a picture before its tower.
  double read_seconds = 0, decode_seconds = 0, encode_seconds = 0, store_seconds = 0;
};

class Intake {
 public:
  // handled is told of rows as they are stored or rejected: (rows, of which rejects).
  // enough_edge: of DecodeOptions.
  Intake(ChunkClaim& claim, const Encoder& encoder, const Layout& layout, int enough_edge,
         std::stop_token stop, std::function<void(int, int)> handled);

  //   throws  Error{kCancelled} once stopped, kUnavailable where the database is gone
  void take(Row row);

  // Encodes and stores what is held; to be called once after the last row.
  void finish();

  // A row, or the rest of a chunk, that is no picture.
  void reject(const std::string& key, const std::string& reason);

  const IntakeTally& tally() const { return tally_; }

 private:
  void encode();
  void encode_one_by_one();
  void keep(StoredRow row, std::span<const float> embedding);
  void store();
  std::string picture_bytes(Row& row);
  StoredRow stored_row(Row row, const Picture& picture, std::string bytes) const;

  ChunkClaim& claim_;
  const Encoder& encoder_;
  const Layout& layout_;
  const DecodeOptions decoding_;
  const std::stop_token stop_;
  const std::function<void(int, int)> handled_;
  IntakeTally tally_;

  // pictures_[i] is of rows_[i]; only encode() empties them, both together.
  std::vector<StoredRow> rows_;
  std::vector<Picture> pictures_;
  std::size_t pixels_ = 0;

  std::vector<StoredRow> finished_;
  std::size_t finished_bytes_ = 0;
};

}  // namespace pgmmr
