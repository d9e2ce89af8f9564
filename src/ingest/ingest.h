// The pipeline: a dataset's rows to pictures to embeddings to a collection.
//
// The ledger of store/ledger.h decides who does what: this thread cuts the source into chunks and
// writes them down while workers already claim them. Which row a vector belongs to is never a
// matter of counting: row, picture and embedding travel together (intake.cc). Proven by an encoder
// in the tests whose embedding says which picture it saw, with kill -9 of program and server.
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
};  // auto: reference for files of this machine, database for the rest

struct IngestOptions {
  std::string collection;
  std::vector<std::string> captions;  // columns; empty takes the dataset's default_captions()
  std::string language;  // text search configuration of captions in alphabetic scripts; empty takes
                         // english
  ImageStorage images = ImageStorage::kAuto;
  int workers = 0;       // 0: one for each core
  bool exact = false;    // decode every picture in full, though the encoder may need less
  bool partial = false;  // the dataset is only the head of its source (--limit): what else the
                         // ledger knows of the source is kept
};

struct IngestProgress {
  // Rows handled in this run (rejects are among them), and how many this run has to handle as far
  // as is known.
  std::int64_t rows_done = 0, rows_expected = 0, rejects = 0;
  std::int64_t chunks_done = 0, chunks_expected = 0;
  bool planned = false;   // the source has been cut to its end: rows_expected is final
  bool indexing = false;  // every row is stored, the indexes are being finished
};

struct IngestReport {
  std::int64_t stored = 0, rejected = 0;  // in this run
  std::int64_t unchanged = 0;  // about how many rows were in chunks done before, or by another
                               // process meanwhile
  std::int64_t rejects_of_source = 0;  // in the collection now, this run's and earlier ones'
  double seconds = 0;
  // Summed over the workers: which stage sets the pace.
  double read_seconds = 0;    // rows and files
  double decode_seconds = 0;  // bytes to pixels
  double resize_seconds = 0;  // and normalising
  double encode_seconds = 0;  // the vision tower
  double store_seconds = 0;   // thumbnails and COPY
};

// Creates the collection or adds to it. Each worker claims a chunk, reads, decodes, encodes and
// stores it on a connection of its own, in one transaction; so a run that is killed loses only the
// chunks in hand, and the next one goes on. Returns when no chunk of the source is open any more,
// those in the hands of another process included.
//   on_progress  called from worker threads, one call at a time
//   throws       Error{kConflict} where the collection was made with another model, other captions,
//                other columns or image storage;
//                Error{kNotFound} where the source has no rows and there is no collection yet;
//                kCancelled when stopped: what was committed stays
IngestReport ingest(const std::string& database_url, const Dataset& dataset, const Encoder& encoder,
                    const IngestOptions& options, std::stop_token stop = {},
                    const std::function<void(const IngestProgress&)>& on_progress = {});

}  // namespace pgmmr
