// Ranked search: calls the SQL function pgmmr.search, the only place where ranking is written.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/collection.h"
#include "store/connection.h"

namespace pgmmr {

enum class RankingMode { kVector, kKeyword, kHybrid };

// Designated initialisers may leave out what has a default.
// "vector", "keyword", "hybrid": as in SQL and JSON.
const char* mode_name(RankingMode mode);

struct RankingQuery {
  RankingMode mode = RankingMode::kHybrid;
  std::vector<float> embedding = {};  // unit length; empty with kKeyword
  bool embedding_of_text =
      true;  // text queries lie outside the data's distribution and get the larger ef_search
  std::string text = {};        // websearch syntax; empty with kVector
  std::string text_words = {};  // the same as ICU words, where the collection has an icu caption
  std::string where = {};       // an SQL condition on the collection's columns; empty for none
  int limit = 10;
  std::optional<std::string> exclude_key = {};  // for "more like this"
};

struct RankedRow {
  std::string key;
  double score = 0;                  // RRF for kHybrid, cosine for kVector, ts_rank_cd for kKeyword
  std::optional<double> similarity;  // cosine with the query's embedding, where there is one
  std::optional<int> vector_rank, keyword_rank;
  std::string image_uri;
  int width = 0, height = 0;
  std::string fields;  // JSON object of the dataset's own columns, in table order
};

// One with a condition runs in a read-only transaction with a statement timeout, so that what comes
// from outside cannot change anything.
//   throws  Error{kInvalidArgument} for a condition the server refuses, with the server's message
std::vector<RankedRow> rank(Connection& connection, const Collection& collection,
                            const RankingQuery& query);

// How rank() would go about the query's vectors: "exact", "hnsw", "hnsw filtered", or "none" where
// it looks at none. Errors as with rank().
std::string ranking_way(Connection& connection, const Collection& collection,
                        const RankingQuery& query);

// The stored embedding of a row.
std::optional<std::vector<float>> stored_embedding(Connection& connection,
                                                   const Collection& collection,
                                                   const std::string& key);

}  // namespace pgmmr
