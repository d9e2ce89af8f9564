#include "dataset/folder_metadata.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "dataset/caption_columns.h"
#include "dataset/chunk_cutter.h"
#include "dataset/duckdb_session.h"
#include "dataset/relation.h"
#include "dataset/value_text.h"

namespace pgmmr {
namespace fs = std::filesystem;
namespace {

// file_name, else the first text column whose name ends in _file_name (imagefolder names the
// pictures of further columns so).
std::optional<std::string> name_column(const std::vector<DuckdbColumn>& columns) {
  for (const DuckdbColumn& column : columns) {
    if (column.name == "file_name" && column.type.id == DUCKDB_TYPE_VARCHAR) return column.name;
  }
  for (const DuckdbColumn& column : columns) {
    if (column.name.ends_with("_file_name") && column.type.id == DUCKDB_TYPE_VARCHAR) {
      return column.name;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<FolderMetadata> FolderMetadata::find(const fs::path& folder) {
  std::error_code ignored;
  fs::path path;
  for (const char* name : {"metadata.csv", "metadata.jsonl", "metadata.parquet"}) {
    if (fs::is_regular_file(folder / name, ignored)) {
      path = folder / name;
      break;
    }
  }
  if (path.empty()) return std::nullopt;
  FolderMetadata metadata;
  if (fs::file_size(path, ignored) == 0) return metadata;

  DuckdbSession session({.about = path.string(), .database = {}, .folder = folder});
  const std::string file = duckdb_file_literal(path.string());
  const std::string source = path.extension() == ".csv" ? "read_csv(" + file + ", header = true)"
                             : path.extension() == ".jsonl"
                                 ? "read_json(" + file + ", format = 'newline_delimited')"
                                 : "read_parquet(" + file + ")";
  const auto described = session.describe("FROM " + source);
  const auto name = name_column(described);
  if (!name) {
    std::string found;
    for (const DuckdbColumn& column : described) found += (found.empty() ? "" : ", ") + column.name;
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{}: no text column file_name; found {}", path.string(), found));
  }
  const bool has_json = session.has_json();
  Relation relation = plan_columns(path.string(), described, *name, has_json);
  const auto is_name = [&](const RelationColumn& column) { return column.source_name == *name; };
  std::erase_if(relation.columns, is_name);
  metadata.columns_ = relation.plain_columns();
  const auto captions = caption_columns(metadata.columns_);
  if (!captions.empty()) metadata.caption_column_ = captions.front();

  const std::string select = relation_select(path.string(), relation, described, "0", has_json);
  session.query(
      fmt::format("SELECT {} FROM {} AS t({})", select, source, column_aliases(described.size())),
      [&](const DuckdbRow& row) {
        RelationRow read = relation_row(relation, row);
        if (!read.image_path) return;
        Entry entry;
        for (std::size_t i = 0; i < read.values.size(); ++i) {
          if (metadata.columns_[i].name == metadata.caption_column_) {
            entry.caption = value_text(read.values[i]);
          }
          entry.digest += framed(value_identity(read.values[i]));
        }
        entry.digest = sha256_hex(entry.digest);
        entry.values = std::move(read.values);
        metadata.entries_[fs::path(*read.image_path).lexically_normal().string()] =
            std::move(entry);
      });
  return metadata;
}

const FolderMetadata::Entry* FolderMetadata::entry(const std::string& relative) const {
  const auto found = entries_.find(relative);
  return found == entries_.end() ? nullptr : &found->second;
}

}  // namespace pgmmr
