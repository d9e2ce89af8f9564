// The captions among a hit's fields.
#pragma once

#include <string>
#include <vector>

#include "store/collection.h"
#include "store/ranking.h"

namespace pgmmr {

// Of each of the collection's caption columns, in their order, the hit's texts: one of a text
// column, any number of a list; none where the hit has none, or its fields are no JSON object.
std::vector<std::vector<std::string>> caption_texts(const Collection& collection,
                                                    const RankedRow& hit);

// The caption that people read: the first caption column that is not empty, of those in a script
// like the query's where there are any; a list's texts with a space between them.
std::string hit_caption(const Collection& collection, const RankedRow& hit,
                        const std::string& query_text);

}  // namespace pgmmr
