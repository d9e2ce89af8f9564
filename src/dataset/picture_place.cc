#include "dataset/picture_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "dataset/clean_text.h"

namespace pgmmr {
namespace fs = std::filesystem;
namespace {

// "https://…", "data:image/png;base64,…"; a Windows drive letter is not a scheme.
bool is_address(std::string_view path) {
  const std::size_t colon = path.find(':');
  if (colon == std::string_view::npos || colon < 2) return false;
  const bool is_scheme = std::all_of(path.begin(), path.begin() + colon, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '+' || c == '-' || c == '.';
  });
  return is_scheme && (path.substr(colon).starts_with("://") || path.starts_with("data:"));
}

std::string shown(const std::string& path) {
  const std::string text = clean_text(path.substr(0, 200));
  return path.size() > 200 ? text + "…" : text;
}

}  // namespace

void place_picture(RelationRow&& read, const fs::path& folder, bool trusted, Row& row) {
  if (read.image_bytes && !read.image_bytes->empty()) {
    row.image_bytes = std::move(*read.image_bytes);
    return;
  }
  const std::string written = read.image_path.value_or("");
  if (written.empty()) {
    row.problem =
        read.image_bytes ? "the picture has 0 bytes" : "no picture: bytes and path are null";
    return;
  }
  if (is_address(written)) {
    row.problem = fmt::format("the picture is at {}, which is not fetched", shown(written));
    return;
  }
  if (folder.empty() || written.find('\0') != std::string::npos) {
    row.problem =
        fmt::format("no picture: no bytes, and the path {} leads nowhere", shown(written));
    return;
  }
  const fs::path path = (folder / written).lexically_normal();
  const auto [root, below] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  if (!trusted && root != folder.end()) {
    row.problem =
        fmt::format("the path {} leaves the dataset's folder {}", shown(written), folder.string());
    return;
  }
  std::error_code code;
  const auto status = fs::status(path, code);
  if (fs::is_regular_file(status)) {
    row.image_path = path.string();
  } else {
    row.problem = fs::exists(status) ? fmt::format("{} is not a regular file", shown(path.string()))
                                     : fmt::format("no file {}", shown(path.string()));
  }
}

}  // namespace pgmmr
