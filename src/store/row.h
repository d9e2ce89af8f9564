// One row of a collection by its key, and where the words of a query are in a text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/collection.h"
#include "store/ranking.h"

namespace pgmmr {

// Key, picture and fields as a search would return them; no scores or ranks.
std::optional<RankedRow> find_row(Connection& connection, const Collection& collection,
                                  const std::string& key);

// The texts with \x02 before and \x03 behind every word that the query names, by the stems of this
// text search configuration: ts_headline, which reads as caption_tsv was made. Words that the query
// forbids are not marked.
//   config   as CaptionColumn::config, but not icu
//   returns  one for each text; empty where the query has no word to mark
std::vector<std::string> mark_words(Connection& connection, const std::string& config,
                                    const std::string& query,
                                    const std::vector<std::string>& texts);

}  // namespace pgmmr
