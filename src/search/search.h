// A query to ranked hits: words, a picture, a row that is there already, or several together.
//
// The query's embedding is the sum of its parts' unit vectors, each weighing the same, scaled back
// to length one; what to stay away from is subtracted (kAwayWeight in search.cc says how much and
// why). Ranking itself is the SQL function behind store/ranking.h. Proven on collections whose
// nearest rows are known by construction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "clip/encoder.h"
#include "image/picture.h"
#include "store/collection.h"
#include "store/ranking.h"

namespace pgmmr {

enum class SearchMode { kAuto, kVector, kKeyword, kHybrid };

struct Query {
  std::string text;                // what to find
  std::string not_text;            // what to stay away from
  std::optional<Picture> picture;  // by example
  std::string picture_name;        // for messages and the echo of the query: a file name
  std::string like_key;            // by a row of the collection, which is left out of the hits
  SearchMode mode =
      SearchMode::kAuto;  // auto: hybrid with text where the collection has captions, else vector
  int limit = 10;
  std::string where;
};

struct SearchResult {
  std::string collection;
  RankingMode mode = RankingMode::kHybrid;
  std::vector<RankedRow> hits;
  double encode_ms = 0, search_ms = 0, total_ms = 0;
};

inline constexpr int kMaxHits = 10'000;

// What the query comes to on this collection: auto decided, contradictions refused.
//   throws  Error{kInvalidArgument} for a query that is empty, contradicts itself or is not UTF-8
RankingMode ranking_mode(const Collection& collection, const Query& query);

// False for what is answered without a model: keywords alone, or a row's own embedding.
bool needs_encoder(const Collection& collection, const Query& query);

//   throws  Error{kConflict} naming both models where the collection was made with another one
void check_model(const Collection& collection, const ModelInfo& model);

// The vectors of a query's parts, as far as it has them, of any length above zero: made without a
// connection, so that no connection waits for a model.
struct QueryVectors {
  std::vector<float> text, not_text, picture;
};

// Which of them a search of this query will read.
struct QueryParts {
  bool text = false, not_text = false, picture = false;
};
QueryParts parts_to_encode(const Collection& collection, const Query& query);

// The query as ranking takes it: its parts encoded, its words cut, auto decided. Encoder and errors
// as with search().
RankingQuery prepare(Connection& connection, const Collection& collection, const Encoder* encoder,
                     const Query& query);

// The second half of both: the vectors are there, of the collection's model; query.picture is only
// asked whether it is there. encode_ms is what the like_key's lookup took.
RankingQuery prepare(Connection& connection, const Collection& collection,
                     const QueryVectors& vectors, const Query& query);
SearchResult search(Connection& connection, const Collection& collection,
                    const QueryVectors& vectors, const Query& query);

// The encoder must be of the collection's model; it may be null where needs_encoder() says so.
//   throws  Error{kConflict} naming both models where it isn't, kInvalidArgument as ranking_mode()
//           and for a condition the server refuses, kNotFound for an unknown like_key
SearchResult search(Connection& connection, const Collection& collection, const Encoder* encoder,
                    const Query& query);

// The contract of `search --format json` and of the HTTP API: one object, as the README
// shows it. Numbers that come from floating point have six significant digits.
std::string to_json(const SearchResult& result, const Query& query);

// Its beginning, up to the [ of the hits.
std::string json_head(const SearchResult& result, const Query& query);

// One of its hits, on one line.
void append_json(std::string& json, const RankedRow& hit);

}  // namespace pgmmr
