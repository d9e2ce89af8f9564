// Rows of a collection that ask in an evaluation: which of them can, and a sample of those.
//
// A sample takes the rows whose keys' SHA-256 come first: the same rows each time, spread over the
// collection whatever its keys look like.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/collection.h"
#include "store/connection.h"

namespace pgmmr {

struct SampledRow {
  std::string key;
  std::vector<std::string> texts;  // of a caption column, none of them blank
  std::string label;               // the value that partners share, as text
  std::vector<float> embedding;    // as stored
};

struct RowSample {
  std::vector<SampledRow> rows;
  std::int64_t able = 0;  // rows that could have been chosen
};

// What is searched and who asks: SQL conditions on the collection's columns, empty for all rows.
struct SampleConditions {
  std::string searched, asking;
};

// All three:
//   limit   rows at most, 1 or more
//   throws  Error{kInvalidArgument} for a condition that the server refuses

// Rows that are searched, meet `asking`, and have text in a column of type text or text[]: key and
// texts.
RowSample sample_captions(Connection& connection, const Collection& collection,
                          const std::string& column, const SampleConditions& conditions, int limit);

// Rows that meet `asking`, and of which another row that is searched has the same value in a column
// of any type: key, label and embedding.
RowSample sample_partners(Connection& connection, const Collection& collection,
                          const std::string& column, const SampleConditions& conditions, int limit);

// Rows that are searched: key and embedding.
RowSample sample_embeddings(Connection& connection, const Collection& collection,
                            const std::string& searched, int limit);

std::int64_t count_rows(Connection& connection, const Collection& collection,
                        const std::string& searched);

// Which of the keys are there, and which of those are searched.
struct KnownKeys {
  std::vector<bool> there, searched;  // one for each key
};
KnownKeys known_keys(Connection& connection, const Collection& collection,
                     const std::vector<std::string>& keys, const std::string& searched);

}  // namespace pgmmr
