// A query to ranked hits: words, a picture, a row that is there already, or words and a picture
// together.
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
  std::string text;  // what to find
  std::string
      not_text;  // what to stay away from: its direction is taken out of the query's embedding
  std::optional<Picture> picture;  // by example
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

// The encoder must be of the collection's model.
//   throws  Error{kConflict} naming both models where it isn't, kInvalidArgument for an empty or
//   contradictory query,
//           kNotFound for an unknown like_key
SearchResult search(Connection& connection, const Collection& collection, const Encoder& encoder,
                    const Query& query);

// The contract of `search --format json` and of the HTTP API: one object, see docs/API in the
// README.
std::string to_json(const SearchResult& result, const Query& query);

}  // namespace pgmmr
