// The embeddings of a collection's rows that meet a condition, a block at a time: what an exact
// comparison of many queries with all rows reads, once.
//
// Embeddings come as the server's binary form inside a bytea, half the bytes of text and a tenth of
// the work of parsing it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/collection.h"
#include "store/connection.h"
#include "store/read_only.h"

namespace pgmmr {

struct EmbeddingBlock {
  std::vector<std::string> keys;
  std::vector<std::optional<std::string>> labels;  // a column's value as text, one for each key
  std::vector<float> embeddings;                   // [keys.size(), dim], row-major
};

// A cursor in a read-only transaction; the connection is its own until the object is gone.
class EmbeddingScan {
 public:
  // condition  SQL on the collection's columns, as in search; empty for all rows
  // label      one of the collection's columns, or empty: then labels stay empty values
  //   throws   Error{kInvalidArgument} for a condition that the server refuses
  EmbeddingScan(Connection& connection, const Collection& collection, const std::string& condition,
                const std::string& label = "");

  std::int64_t rows() const { return rows_; }  // that meet the condition

  // The next rows, up to a few hundred; no keys at the end.
  //   throws  Error{kCorrupt} for an embedding of another dimension, else as the constructor
  EmbeddingBlock next();

 private:
  Connection& connection_;
  const Collection collection_;
  const std::string condition_;
  ReadOnlyTransaction transaction_;
  std::int64_t rows_ = 0;
};

// The expression that gives an embedding as the bytes that parse_embedding() reads.
std::string embedding_bytes(Connection& connection, const std::string& column);

// Appends the values of what embedding_bytes() gave.
//   throws  Error{kCorrupt} for another dimension than dim, naming the key
void append_embedding(std::vector<float>& values, std::string_view bytes, int dim,
                      const std::string& key);

}  // namespace pgmmr
