#include "eval/judgments.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace pgmmr {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

std::string text_of(const std::string& field, const json& value) {
  if (!value.is_string()) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("\"{}\" is {}, expected text", field, value.type_name()));
  }
  return value.get<std::string>();
}

std::vector<std::string> keys_of(const json& value) {
  if (!value.is_array() || value.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "\"relevant\" is not a list with keys in it");
  }
  std::vector<std::string> keys;
  for (const auto& one : value) keys.push_back(text_of("relevant", one));
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

Judgment parse_line(std::string_view line) {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) throw Error(ErrorKind::kInvalidArgument, "not a JSON object");
  Judgment judgment;
  for (const auto& [field, value] : object.items()) {
    if (field == "text") {
      judgment.text = text_of(field, value);
    } else if (field == "not") {
      judgment.not_text = text_of(field, value);
    } else if (field == "image") {
      judgment.image = text_of(field, value);
    } else if (field == "like") {
      judgment.like = text_of(field, value);
    } else if (field == "relevant") {
      judgment.relevant = keys_of(value);
    } else {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("\"{}\" is none of text, not, image, like, relevant", field));
    }
  }
  if (judgment.relevant.empty()) throw Error(ErrorKind::kInvalidArgument, "no \"relevant\" keys");
  if (is_blank(judgment.text) && judgment.image.empty() && judgment.like.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "nothing to search for: no text, image or like");
  }
  return judgment;
}

}  // namespace

std::vector<Judgment> parse_judgments(std::string_view json_lines, const std::string& name) {
  std::vector<Judgment> judgments;
  int number = 0;
  while (!json_lines.empty()) {
    const std::size_t end = std::min(json_lines.find('\n'), json_lines.size());
    const std::string_view line = json_lines.substr(0, end);
    json_lines.remove_prefix(std::min(end + 1, json_lines.size()));
    ++number;
    if (is_blank(line)) continue;
    try {
      judgments.push_back(parse_line(line));
      judgments.back().line = number;
    } catch (const Error& error) {
      throw Error(error.kind(),
                  fmt::format("reading judged queries from {}, line {}: {}; expected {{\"text\": "
                              "\"…\", \"relevant\": [\"key\"]}}",
                              name, number, error.what()));
    }
  }
  if (judgments.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                "reading judged queries from " + name + ": there are none in it");
  }
  return judgments;
}

std::vector<Judgment> read_judgments(const std::filesystem::path& file) {
  auto judgments = parse_judgments(read_file(file, kMaxFileBytes), file.string());
  const auto folder = std::filesystem::absolute(file).parent_path();
  for (auto& judgment : judgments) {
    if (!judgment.image.empty()) judgment.image = (folder / judgment.image).string();
  }
  return judgments;
}

}  // namespace pgmmr
