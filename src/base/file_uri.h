// Paths of this machine as file:// URIs (RFC 8089) and back: how a collection says where a picture
// is.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace pgmmr {

// "file:///photos/red%20apple.jpg": the path made absolute, every byte but RFC 3986's unreserved
// ones and "/" percent-encoded, so that names in any encoding survive.
std::string file_uri(const std::filesystem::path& path);

// The path a file:// URI names; nothing for another scheme, another host than this one, a damaged
// escape or an encoded NUL.
std::optional<std::filesystem::path> path_of_file_uri(std::string_view uri);

}  // namespace pgmmr
