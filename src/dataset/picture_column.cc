#include "dataset/picture_column.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <span>
#include <string_view>

namespace pgmmr {
namespace {

// Best first. Compared in lower case.
constexpr std::array<std::string_view, 16> kBlobNames = {
    "image", "img",  "picture", "photo", "pixels",     "image_bytes", "img_bytes", "bytes",
    "jpg",   "jpeg", "png",     "webp",  "image_data", "image_blob",  "content",   "data"};
constexpr std::array<std::string_view, 14> kPathNames = {
    "image_path", "image", "file_name", "path",       "filename", "img_path", "filepath",
    "file_path",  "img",   "picture",   "image_file", "photo",    "file",     "image_name"};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

const DuckdbType* child(const DuckdbType& type, std::string_view name) {
  for (std::size_t i = 0; i < type.child_names.size(); ++i) {
    if (lower(type.child_names[i]) == name) return &type.children[i];
  }
  return nullptr;
}

bool is_image_list(const DuckdbType& type) {
  return (type.id == DUCKDB_TYPE_LIST || type.id == DUCKDB_TYPE_ARRAY) &&
         is_image_struct(type.children[0]);
}

bool is_plain_text(const DuckdbType& type) {
  return type.id == DUCKDB_TYPE_VARCHAR && type.alias.empty();
}

// The first column of the kind, by the order of names.
template <typename Is>
const DuckdbColumn* find_column(const std::vector<DuckdbColumn>& columns,
                                std::span<const std::string_view> names, Is is) {
  for (const std::string_view name : names) {
    for (const DuckdbColumn& column : columns) {
      if (lower(column.name) == name && is(column.type)) return &column;
    }
  }
  return nullptr;
}

// Likewise; where none has such a name, the table's first.
const DuckdbColumn* find_struct(const std::vector<DuckdbColumn>& columns,
                                bool (*is)(const DuckdbType&)) {
  if (const auto* named = find_column(columns, kBlobNames, is)) return named;
  for (const DuckdbColumn& column : columns) {
    if (is(column.type)) return &column;
  }
  return nullptr;
}

}  // namespace

bool is_image_struct(const DuckdbType& type) {
  if (type.id != DUCKDB_TYPE_STRUCT || type.children.size() != 2) return false;
  const DuckdbType* bytes = child(type, "bytes");
  const DuckdbType* path = child(type, "path");
  // A child of which no row has a value may have no type of its own.
  const auto is = [](const DuckdbType* found, duckdb_type id) {
    return found != nullptr && (found->id == id || found->id == DUCKDB_TYPE_SQLNULL ||
                                found->id == DUCKDB_TYPE_INTEGER);
  };
  return is(bytes, DUCKDB_TYPE_BLOB) && is(path, DUCKDB_TYPE_VARCHAR) &&
         (bytes->id == DUCKDB_TYPE_BLOB || path->id == DUCKDB_TYPE_VARCHAR);
}

std::optional<PictureColumn> find_picture_column(const std::vector<DuckdbColumn>& columns) {
  const auto is_blob = [](const DuckdbType& type) { return type.id == DUCKDB_TYPE_BLOB; };
  if (const auto* found = find_struct(columns, is_image_struct)) {
    return PictureColumn{found->name, PictureKind::kStruct};
  }
  if (const auto* list = find_struct(columns, is_image_list)) {
    return PictureColumn{list->name, PictureKind::kStructList};
  }
  if (const auto* blob = find_column(columns, kBlobNames, is_blob)) {
    return PictureColumn{blob->name, PictureKind::kBlob};
  }
  if (const auto* path = find_column(columns, kPathNames, is_plain_text)) {
    return PictureColumn{path->name, PictureKind::kPath};
  }
  return std::nullopt;
}

std::optional<PictureSql> picture_sql(PictureKind kind, const DuckdbType& type,
                                      const std::string& c) {
  PictureSql sql;
  const bool is_list = kind == PictureKind::kStructList;
  switch (kind) {
    case PictureKind::kStruct:
    case PictureKind::kStructList: {
      if (!(is_list ? is_image_list(type) : is_image_struct(type))) return std::nullopt;
      const std::string item = is_list ? fmt::format("list_extract({}, 1)", c) : c;
      const DuckdbType& image = is_list ? type.children[0] : type;
      if (child(image, "bytes")->id == DUCKDB_TYPE_BLOB) {
        sql.bytes = fmt::format("CAST(struct_extract({}, 'bytes') AS BLOB)", item);
      }
      if (child(image, "path")->id == DUCKDB_TYPE_VARCHAR) {
        sql.path = fmt::format("CAST(struct_extract({}, 'path') AS VARCHAR)", item);
      }
      break;
    }
    case PictureKind::kBlob:
      sql.bytes = fmt::format("CAST({} AS BLOB)", c);
      break;
    case PictureKind::kPath:
      sql.path = fmt::format("CAST({} AS VARCHAR)", c);
      break;
  }
  return sql;
}

}  // namespace pgmmr
