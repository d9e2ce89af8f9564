// Rows of a collection, by key and by chance, and where the words of a query are in a text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/collection.h"
#include "store/ranking.h"

namespace pgmmr {

// Key, picture and fields as a search would return them; no scores or ranks.
std::optional<RankedRow> find_row(Connection& connection, const Collection& collection,
                                  const std::string& key);

// Some rows in an order that looks random and is the same each time: by the SHA-256 of their keys.
// Of a collection with more than 20,000 rows a share of its blocks is looked at, which changes as
// the collection does.
//   limit   rows at most, 1 or more
//   total   how many rows there are, roughly
std::vector<RankedRow> sample_rows(Connection& connection, const Collection& collection, int limit,
                                   std::int64_t total);

// The texts with \x02 before and \x03 behind every word that the query names, by the stems of this
// text search configuration: ts_headline, which reads as caption_tsv was made. Words that the query
// forbids are not marked.
//   config   as CaptionColumn::config, but not icu
//   returns  one for each text; empty where the query has no word to mark
std::vector<std::string> mark_words(Connection& connection, const std::string& config,
                                    const std::string& query,
                                    const std::vector<std::string>& texts);

}  // namespace pgmmr
