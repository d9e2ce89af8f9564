#include "search/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/file.h"

namespace pgmmr {

void append_json(std::string& json, std::string_view text) {
  const bool plain = std::ranges::none_of(
      text, [](unsigned char c) { return c < 0x20 || c == '"' || c == '\\' || c == 0x7F; });
  if (plain && is_utf8(text)) {
    json += '"';
    json += text;
    json += '"';
  } else {
    json += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
}

void append_json(std::string& json, double value) {
  if (!std::isfinite(value)) {
    json += "null";
    return;
  }
  const std::size_t begin = json.size();
  fmt::format_to(std::back_inserter(json), "{:.6g}", value);
  // A whole number stays recognisable as one that need not be.
  if (json.find_first_of(".e", begin) == std::string::npos) json += ".0";
}

}  // namespace pgmmr
