// Text from outside to text that PostgreSQL takes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pgmmr {

// Well-formed UTF-8 without NUL: each maximal ill-formed subsequence becomes U+FFFD (the Unicode
// standard, 3.9, "Substitution of Maximal Subparts"), NUL is dropped.
std::string clean_text(std::string_view bytes);

// JSON that jsonb takes, from JSON as DuckDB writes it: NaN, infinities and numbers beyond a
// double's range become null; \u0000 is dropped and a lone surrogate becomes U+FFFD. Nothing where
// the text isn't JSON, or is nested deeper than 512.
std::optional<std::string> clean_json(std::string_view json);

// A file name's stem as words: "red_apple-2.final.jpg" is "red apple 2 final".
std::string words_of_name(std::string_view name);

}  // namespace pgmmr
