#include "dataset/chunk_payload.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace pgmmr {
namespace {

constexpr std::int64_t kMaxRows = std::int64_t{1} << 40;

nlohmann::json parse(const std::string& json) {
  auto value = nlohmann::json::parse(json, nullptr, false);
  if (!value.is_object()) {
    throw Error(ErrorKind::kCorrupt, "reading a chunk: its payload is not a JSON object");
  }
  return value;
}

std::int64_t count(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return 0;
  if (!found->is_number_integer() || *found < 0 || *found > kMaxRows) {
    throw Error(ErrorKind::kCorrupt,
                std::string("reading a chunk: its payload's ") + name + " is not a count");
  }
  return found->get<std::int64_t>();
}

}  // namespace

std::string to_json(const FolderPayload& payload) {
  auto files = nlohmann::json::array(), captions = nlohmann::json::array();
  for (std::size_t i = 0; i < payload.files.size(); ++i) {
    files.push_back(payload.files[i].key);
    if (payload.files[i].has_caption_file) captions.push_back(i);
  }
  return nlohmann::json{{"files", files}, {"captions", captions}}.dump();
}

std::string to_json(const RangePayload& payload) {
  nlohmann::json json;
  if (!payload.file.empty()) json["file"] = payload.file;
  if (payload.parts > 0) {
    json["part"] = payload.part;
    json["parts"] = payload.parts;
  } else {
    json["first"] = payload.first;
    json["rows"] = payload.rows;
  }
  if (!payload.repeated.empty()) json["repeated"] = payload.repeated;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

FolderPayload parse_folder_payload(const std::string& json) {
  const auto value = parse(json);
  FolderPayload payload;
  const auto files = value.find("files");
  if (files == value.end() || !files->is_array()) {
    throw Error(ErrorKind::kCorrupt, "reading a chunk of a folder: its payload lists no files");
  }
  for (const auto& file : *files) {
    if (!file.is_string() || !stays_below(file.get_ref<const std::string&>())) {
      throw Error(ErrorKind::kCorrupt,
                  "reading a chunk of a folder: its payload names a file outside the folder");
    }
    payload.files.push_back({file.get<std::string>(), false});
  }
  const auto captions = value.find("captions");
  if (captions == value.end() || !captions->is_array()) return payload;
  for (const auto& place : *captions) {
    if (!place.is_number_unsigned() || place.get<std::uint64_t>() >= payload.files.size()) {
      throw Error(ErrorKind::kCorrupt,
                  "reading a chunk of a folder: its payload gives a caption to no file");
    }
    payload.files[place.get<std::size_t>()].has_caption_file = true;
  }
  return payload;
}

RangePayload parse_range_payload(const std::string& json) {
  const auto value = parse(json);
  RangePayload payload;
  const auto file = value.find("file");
  if (file != value.end()) {
    if (!file->is_string()) {
      throw Error(ErrorKind::kCorrupt, "reading a chunk: its payload's file is not a name");
    }
    payload.file = file->get<std::string>();
  }
  payload.first = count(value, "first");
  payload.rows = count(value, "rows");
  payload.part = count(value, "part");
  payload.parts = count(value, "parts");
  if (payload.parts > 0 && payload.part >= payload.parts) {
    throw Error(ErrorKind::kCorrupt, "reading a chunk: its payload is a part beyond the last");
  }
  const auto repeated = value.find("repeated");
  if (repeated != value.end() && repeated->is_array()) {
    for (const auto& row : *repeated) {
      if (row.is_number_integer()) payload.repeated.push_back(row.get<std::int64_t>());
    }
  }
  return payload;
}

bool stays_below(const std::string& relative) {
  const std::filesystem::path path(relative);
  if (path.is_absolute() || relative.find('\0') != std::string::npos) return false;
  const auto normal = path.lexically_normal();
  return normal.empty() || *normal.begin() != "..";
}

}  // namespace pgmmr
