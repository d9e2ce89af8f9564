// Hits for a shell: a table that fits the terminal, JSON lines, CSV.
#pragma once

#include <string>

#include "search/search.h"
#include "store/collection.h"

namespace pgmmr {

// Rank, similarity, caption and key, a hit a line.
//   width    columns of the terminal; the caption is cut first, then the key
//   colours  ANSI, for a terminal only
std::string hits_as_table(const Collection& collection, const SearchResult& result,
                          const Query& query, int width, bool colours);

// The hits of to_json(), one a line.
std::string hits_as_jsonl(const SearchResult& result);

// RFC 4180 with a header: rank, key, scores, image, then the dataset's own columns (one whose name
// is taken gets a _). Absent values are empty, lists and objects are JSON.
std::string hits_as_csv(const Collection& collection, const SearchResult& result);

// How many cells of a terminal UTF-8 text takes: East Asian wide letters and emoji two, combining
// marks none.
int display_width(std::string_view utf8);

// The text in at most width cells, its end an ellipsis where it was cut; line breaks and control
// characters, which could move the cursor, are spaces.
std::string fit_to_width(std::string_view utf8, int width);

}  // namespace pgmmr
