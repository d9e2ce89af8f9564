// Why a hit was found by its captions: the words in them that the query names.
#pragma once

#include <string>
#include <vector>

#include "store/collection.h"
#include "store/ranking.h"

namespace pgmmr {

// For each hit the words as its captions write them, without repeats, in their order; none for a
// hit that keyword search did not find.
//   text  the query as typed, web search syntax
std::vector<std::vector<std::string>> matched_words(Connection& connection,
                                                    const Collection& collection,
                                                    const std::vector<RankedRow>& hits,
                                                    const std::string& text);

}  // namespace pgmmr
