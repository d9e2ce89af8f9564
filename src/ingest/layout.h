// A dataset's columns and the user's wishes to the collection they go into: names, types, which
// columns keyword search reads and in what language, where the pictures' bytes lie.
//
// Proven on datasets with every column type, colliding names and scripts without spaces.
#pragma once

#include <vector>

#include "clip/encoder.h"
#include "dataset/dataset.h"
#include "ingest/ingest.h"
#include "store/collection.h"

namespace pgmmr {

struct Layout {
  Collection collection;
  std::vector<int> source_columns;  // for each of collection.columns its place in
                                    // Dataset::columns(), -1 where the dataset lacks it
  std::vector<int> icu_captions;    // places in collection.columns whose words ICU makes
};

// The first rows of a source, without their pictures' bytes.
struct Sample {
  std::vector<Row> rows;
  bool pictures_inside = false;  // the pictures come with the rows rather than as files
};

// Reads the head of a chunk.
Sample take_sample(const Dataset& dataset, const Chunk& chunk);

// What to create.
//   throws  Error{kInvalidArgument} for a caption column that isn't there or holds no text, and for
//           `reference` where the pictures are no files
Layout new_layout(const Dataset& dataset, const ModelInfo& model, const IngestOptions& options,
                  const Sample& sample);

// How the dataset goes into a collection that is there.
//   throws  Error{kConflict} naming what the collection has and what was asked for
Layout fit_layout(const Collection& collection, const Dataset& dataset, const ModelInfo& model,
                  const IngestOptions& options);

}  // namespace pgmmr
