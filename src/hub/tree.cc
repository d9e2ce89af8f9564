#include "hub/tree.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "hub/cache.h"

namespace pgmmr {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::kCorrupt, "reading a repository's listing: " + what);
}

Json parse(std::string_view json) {
  Json value = Json::parse(json.begin(), json.end(), nullptr, false);
  if (value.is_discarded()) refuse("it is not JSON");
  return value;
}

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "";
  if (!found->is_string()) refuse(std::string("\"") + key + "\" is not a string");
  return found->get<std::string>();
}

std::uint64_t size(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return 0;
  if (!found->is_number_unsigned()) refuse(std::string("\"") + key + "\" is not a size");
  return found->get<std::uint64_t>();
}

void check_path(const std::string& path) {
  try {
    check_file_name(path);
  } catch (const Error& error) {
    refuse(error.what());
  }
}

}  // namespace

void parse_tree_page(std::string_view json, std::vector<TreeEntry>& entries) {
  const Json page = parse(json);
  if (!page.is_array()) refuse("it is not an array");
  for (const Json& item : page) {
    if (!item.is_object()) refuse("an entry is not an object");
    if (text(item, "type") != "file") continue;
    TreeEntry entry{text(item, "path"),   size(item, "size"), text(item, "oid"), "", 0,
                    text(item, "xetHash")};
    check_path(entry.path);
    if (const auto lfs = item.find("lfs"); lfs != item.end() && lfs->is_object()) {
      entry.lfs_sha256 = text(*lfs, "oid");
      entry.lfs_size = size(*lfs, "size");
    }
    entries.push_back(std::move(entry));
  }
}

std::string tree_to_json(const std::vector<TreeEntry>& entries) {
  Json files = Json::object();
  for (const auto& entry : entries) {
    Json& file = files[entry.path];
    file = {{"size", entry.size}, {"blob_id", entry.blob_id}};
    if (!entry.lfs_sha256.empty()) {
      file["lfs_sha256"] = entry.lfs_sha256;
      file["lfs_size"] = entry.lfs_size;
    }
    if (!entry.xet_hash.empty()) file["xet_hash"] = entry.xet_hash;
  }
  return Json{{"format_version", 1}, {"files", std::move(files)}}.dump(
      1, ' ', false, Json::error_handler_t::replace);
}

std::vector<TreeEntry> tree_from_json(std::string_view json) {
  const Json tree = parse(json);
  if (!tree.is_object() || tree.value("format_version", Json()) != 1) refuse("another format");
  const auto files = tree.find("files");
  if (files == tree.end() || !files->is_object()) refuse("it has no files");
  std::vector<TreeEntry> entries;
  for (const auto& [path, file] : files->items()) {
    if (!file.is_object()) refuse("a file is not an object");
    check_path(path);
    entries.push_back({path, size(file, "size"), text(file, "blob_id"), text(file, "lfs_sha256"),
                       size(file, "lfs_size"), text(file, "xet_hash")});
  }
  return entries;
}

HubFile to_hub_file(const TreeEntry& entry) {
  if (entry.lfs_sha256.empty()) return {entry.path, entry.size, entry.blob_id};
  return {entry.path, entry.lfs_size, entry.lfs_sha256};
}

std::string next_page(std::string_view header) {
  while (true) {
    const auto open = header.find('<');
    const auto close = header.find('>', open);
    if (open == std::string_view::npos || close == std::string_view::npos) return "";
    const auto address = header.substr(open + 1, close - open - 1);
    // Commas may stand inside an address, never in the parameters we look for.
    const auto end = header.find('<', close);
    const auto parameters = header.substr(
        close + 1, end == std::string_view::npos ? std::string_view::npos : end - close - 1);
    if (parameters.find("rel=\"next\"") != std::string_view::npos ||
        parameters.find("rel=next") != std::string_view::npos) {
      return std::string(address);
    }
    if (end == std::string_view::npos) return "";
    header.remove_prefix(end);
  }
}

}  // namespace pgmmr
