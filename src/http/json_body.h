// JSON from outside, bounded before it is built: nesting, and how many values.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace pgmmr {

//   throws  Problem{400} for what is not one JSON object, nests deeper than 16 or holds more than
//           100,000 values
nlohmann::json parse_json_object(std::string_view body);

// For messages: what kind of value it is, or the value itself where it is short.
std::string describe(const nlohmann::json& value);

std::string to_text(const nlohmann::ordered_json& json);  // bytes that are no UTF-8 replaced

}  // namespace pgmmr
