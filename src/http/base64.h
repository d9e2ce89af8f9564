// Base64 (RFC 4648) and data: URLs (RFC 2397): text from outside to bytes, and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pgmmr {

// Standard or URL-safe alphabet, padded or not, white space between passed over; nothing for
// anything else.
std::optional<std::string> decode_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);

bool is_data_url(std::string_view text);
// The bytes of a base64 data: URL; nothing for another kind or damaged base64.
std::optional<std::string> decode_data_url(std::string_view url);

}  // namespace pgmmr
