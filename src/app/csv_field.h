// A field of a CSV file, RFC 4180.
#pragma once

#include <string>
#include <string_view>

namespace pgmmr {

// In quotes where it holds a comma, a quote or a line's end.
std::string csv_field(std::string_view text);

}  // namespace pgmmr
