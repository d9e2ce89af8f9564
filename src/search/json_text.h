// The parts of an answer's JSON that every hit has: written straight into the text, since building
// a tree for each of them took a sixth of a search's time outside the database.
#pragma once

#include <string>
#include <string_view>

namespace pgmmr {

// In quotes, escaped where JSON asks for it; bytes that are not UTF-8 become U+FFFD.
void append_json(std::string& json, std::string_view text);

// Six significant digits: vectors are stored with 11 bits, and more would be noise. null where the
// value is not finite, which JSON has no word for.
void append_json(std::string& json, double value);

}  // namespace pgmmr
