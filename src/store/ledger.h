// The ledger: a source's chunks, claimed one at a time with FOR UPDATE SKIP LOCKED, done in the
// transaction that stores their rows. A worker that dies leaves its chunk unlocked; several
// machines can work on one ingest.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/binary_format.h"
#include "store/collection.h"
#include "store/connection.h"

namespace pgmmr {

struct LedgerChunk {
  std::string id, payload;
  std::int64_t rows = 0;
};

// Adds the chunks that the ledger does not hold yet. Returns how many were new.
std::int64_t plan_chunks(Connection& connection, const std::string& collection,
                         const std::string& source, const std::vector<LedgerChunk>& chunks);

// Chunks of a source that a finished plan no longer holds are forgotten with their rejects, unless
// another worker has one in hand. So contents that come back after a change are stored again.
void prune_chunks(Connection& connection, const std::string& collection, const std::string& source,
                  const std::vector<std::string>& current_ids);

struct LedgerCounts {
  std::int64_t chunks_open = 0, chunks_done = 0, rows_open = 0, rows_done = 0;
  std::int64_t rejects = 0;  // of this source
};
LedgerCounts count_chunks(Connection& connection, const std::string& collection,
                          const std::string& source);

struct StoredRow {
  std::string key;
  std::vector<CellValue> values;  // one for each of Collection::columns
  std::string image_uri;
  int width = 0, height = 0;
  std::optional<std::string> caption_words;  // where the collection has an icu caption
  std::vector<float> embedding;              // unit length
  std::string thumbnail, image;              // for the media table; both empty with `reference`
};

// One claimed chunk: a transaction that ends with done(), or is undone.
class ChunkClaim {
 public:
  // Nothing where no unclaimed open chunk is left.
  static std::optional<ChunkClaim> next(Connection& connection, const Collection& collection,
                                        const std::string& source);
  const LedgerChunk& chunk() const { return chunk_; }

  // Stores rows by binary COPY into a temporary table and INSERT … ON CONFLICT (key) DO UPDATE;
  // rows of the media table likewise. Call as often as needed; a key that comes twice in a chunk
  // keeps the last. A stored key loses its older reject. A row that the database cannot hold (a
  // value outside its type, text that is no UTF-8, a key above 2,000 bytes) becomes a reject and
  // costs no other row.
  //   returns  those rejects, which are recorded already
  //   throws   Error{kInternal} for a row that does not fit the collection: too few values, another
  //            dimension
  std::vector<Reject> store(const std::vector<StoredRow>& rows);

  // Records why a row of the source is not there. An older row of that key stays.
  void reject(const std::string& key, const std::string& reason);

  void done();

  ChunkClaim(ChunkClaim&&) noexcept;
  ChunkClaim& operator=(ChunkClaim&&) noexcept;
  ~ChunkClaim();

 private:
  ChunkClaim(Connection& connection, const Collection& collection, std::string source);
  void store_or_split(std::vector<const StoredRow*> rows, std::vector<Reject>& rejects);
  void store_encoded(const std::vector<const StoredRow*>& rows, std::string_view data);
  void copy_media(const std::vector<const StoredRow*>& rows);
  void make_incoming();

  Connection* connection_ = nullptr;
  Collection collection_;
  std::string source_;
  LedgerChunk chunk_;
  std::vector<CellType> types_;
  std::int64_t stored_ = 0, rejected_ = 0;
  bool has_incoming_ = false;
  std::unique_ptr<Transaction> transaction_;
};

}  // namespace pgmmr
