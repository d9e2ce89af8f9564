// The pipeline: a dataset's rows to pictures to embeddings to a collection.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "clip/encoder.h"
#include "dataset/dataset.h"
#include "store/collection.h"

namespace pgmmr {

enum class ImageStorage {
  kAuto,
  kReference,
  kDatabase
};  // auto: reference for files in a folder, database for the rest

struct IngestOptions {
  std::string collection;
  std::vector<std::string> captions;  // columns; empty takes the dataset's default_captions()
  std::string language = "english";   // text search configuration of captions in alphabetic scripts
  ImageStorage images = ImageStorage::kAuto;
  int workers = 0;  // 0: one for each core
};

struct IngestProgress {
  std::int64_t rows_done = 0, rows_expected = 0, rejects = 0;
  std::int64_t chunks_done = 0, chunks_expected = 0;
};

struct IngestReport {
  std::int64_t stored = 0, rejected = 0;  // in this run
  std::int64_t unchanged = 0;             // rows in chunks that were done before
  double seconds = 0;
};

// Creates the collection or adds to it. Each worker claims a chunk, reads, decodes, encodes and
// stores it on a connection of its own, in one transaction; so a run that is killed loses only the
// chunks in hand, and the next one goes on.
//   on_progress  called from worker threads, one call at a time
//   throws       Error{kConflict} where the collection was made with another model, other captions
//   or image storage;
//                kCancelled when stopped: what was committed stays
IngestReport ingest(const std::string& database_url, const Dataset& dataset, const Encoder& encoder,
                    const IngestOptions& options, std::stop_token stop = {},
                    const std::function<void(const IngestProgress&)>& on_progress = {});

}  // namespace pgmmr
