#include "dataset/relation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <strings.h>

#include <set>

#include "base/error.h"
#include "base/file.h"
#include "dataset/clean_text.h"
#include "dataset/column_conversion.h"

namespace pgmmr {
namespace {

constexpr std::size_t kMaxColumns = 1500;  // PostgreSQL's limit is 1,600, and the table has its own
constexpr std::size_t kMaxNameBytes = 63;  // NAMEDATALEN - 1: longer ones PostgreSQL would cut
constexpr std::size_t kMaxKeyBytes = 2000;  // a btree entry holds a third of a page, 2,704 bytes

std::string cut(const std::string& text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

// A column name that PostgreSQL takes and that no other column has.
std::string unique_name(const std::string& wanted, std::size_t place,
                        std::set<std::string>& taken) {
  std::string base = clean_text(wanted);
  if (base.empty()) base = fmt::format("column{}", place + 1);
  std::string name = cut(base, kMaxNameBytes);
  for (int i = 2; !taken.insert(name).second; ++i) {
    const std::string suffix = fmt::format("_{}", i);
    name = cut(base, kMaxNameBytes - suffix.size()) + suffix;
  }
  return name;
}

std::vector<std::string> names_of(const std::vector<DuckdbColumn>& columns) {
  std::vector<std::string> names;
  for (const DuckdbColumn& column : columns) {
    names.push_back(clean_text(column.name));
    if (names.size() == 50 && columns.size() > 50) {
      names.push_back(fmt::format("and {} more", columns.size() - 50));
      break;
    }
  }
  return names;
}

std::optional<std::size_t> place_of(const std::vector<DuckdbColumn>& columns,
                                    const std::string& name) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == name) return i;
  }
  return std::nullopt;
}

void check_count(const std::string& about, const std::vector<DuckdbColumn>& columns) {
  if (columns.size() <= kMaxColumns) return;
  throw Error(ErrorKind::kUnsupported, fmt::format("{}: {} columns, expected at most {}", about,
                                                   columns.size(), kMaxColumns));
}

void add_columns(Relation& relation, const std::vector<DuckdbColumn>& columns, bool has_json,
                 const ClassLabels& labels) {
  std::set<std::string> taken;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const DuckdbColumn& column = columns[i];
    // Paths are kept as a column: they say something about the picture, its bytes would not.
    if (column.name == relation.picture && relation.picture_kind != PictureKind::kPath) continue;
    RelationColumn read;
    read.source_name = column.name;
    read.column.name = unique_name(column.name, i, taken);
    read.column.type = column_conversion(column.type, "c", has_json).type;
    relation.columns.push_back(read);
    const auto label = labels.find(column.name);
    const bool is_integer = read.column.type == ColumnType::kSmallint ||
                            read.column.type == ColumnType::kInteger ||
                            read.column.type == ColumnType::kBigint;
    if (label != labels.end() && is_integer && !label->second.empty()) {
      RelationColumn named;
      named.source_name = column.name;
      named.column.name = unique_name(column.name + "_name", i, taken);
      named.column.type = ColumnType::kText;
      named.label_names = label->second;
      relation.columns.push_back(named);
    }
  }
}

}  // namespace

std::vector<Column> Relation::plain_columns() const {
  std::vector<Column> plain;
  for (const RelationColumn& column : columns) plain.push_back(column.column);
  return plain;
}

Relation plan_relation(const std::string& about, const std::vector<DuckdbColumn>& columns,
                       const std::string& key, bool has_json, const ClassLabels& labels) {
  check_count(about, columns);
  Relation relation;
  const auto picture = find_picture_column(columns);
  if (!picture) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("{}: no picture column; found {}; expected struct<bytes, path>, bytes called "
                    "image, or paths of files called image_path, image, file_name or path",
                    about, fmt::join(names_of(columns), ", ")));
  }
  relation.picture = picture->name;
  relation.picture_kind = picture->kind;
  if (!key.empty()) {
    if (!place_of(columns, key) || key == relation.picture) {
      if (!(key == relation.picture && relation.picture_kind == PictureKind::kPath)) {
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("{}: no key column {}; found {}", about, clean_text(key),
                                fmt::join(names_of(columns), ", ")));
      }
    }
    relation.key = key;
  }

  add_columns(relation, columns, has_json, labels);
  return relation;
}

Relation plan_columns(const std::string& about, const std::vector<DuckdbColumn>& columns,
                      const std::string& path_column, bool has_json) {
  check_count(about, columns);
  Relation relation;
  relation.picture = path_column;
  relation.picture_kind = PictureKind::kPath;
  add_columns(relation, columns, has_json, {});
  return relation;
}

std::vector<std::string> key_candidates(const std::vector<DuckdbColumn>& columns) {
  std::vector<std::string> candidates;
  for (const char* name : {"key", "id"}) {
    for (const DuckdbColumn& column : columns) {
      const auto id = column.type.id;
      const bool fits = (id == DUCKDB_TYPE_VARCHAR && column.type.alias.empty()) ||
                        id == DUCKDB_TYPE_UUID ||
                        (id >= DUCKDB_TYPE_TINYINT && id <= DUCKDB_TYPE_UBIGINT);
      if (strcasecmp(column.name.c_str(), name) == 0 && fits) candidates.push_back(column.name);
    }
  }
  return candidates;
}

std::string column_aliases(std::size_t count) {
  std::string aliases;
  for (std::size_t i = 0; i < count; ++i) {
    aliases += fmt::format("{}c{}", i == 0 ? "" : ", ", i);
  }
  return aliases;
}

std::string relation_select(const std::string& about, const Relation& relation,
                            const std::vector<DuckdbColumn>& columns, const std::string& row_number,
                            bool has_json) {
  const auto picture = place_of(columns, relation.picture);
  if (!picture) {
    throw Error(ErrorKind::kCorrupt,
                fmt::format("{}: no picture column {}; found {}", about,
                            clean_text(relation.picture), fmt::join(names_of(columns), ", ")));
  }
  const auto image =
      picture_sql(relation.picture_kind, columns[*picture].type, fmt::format("c{}", *picture));
  if (!image) {
    throw Error(ErrorKind::kCorrupt,
                fmt::format("{}: column {} holds no pictures here, as it does in other files",
                            about, clean_text(relation.picture)));
  }
  std::string key = "CAST(NULL AS VARCHAR)";
  if (!relation.key.empty()) {
    if (const auto place = place_of(columns, relation.key)) {
      key = fmt::format("CAST(c{} AS VARCHAR)", *place);
    }
  }
  std::string select =
      fmt::format("CAST({} AS BIGINT), {}, {}, {}", row_number, image->bytes, image->path, key);
  for (const RelationColumn& column : relation.columns) {
    if (!column.label_names.empty()) continue;
    std::string sql = "NULL";
    const auto place = place_of(columns, column.source_name);
    bool fits = false;
    if (place) {
      const ColumnConversion conversion =
          column_conversion(columns[*place].type, fmt::format("c{}", *place), has_json);
      sql = conversion.sql;
      fits = conversion.type == column.column.type;
    }
    select += ", " + (fits ? sql : cast_to(sql, column.column.type));
  }
  return select;
}

RelationRow relation_row(const Relation& relation, const DuckdbRow& row) {
  RelationRow read;
  read.number = row.integer(0);
  if (!row.is_null(1)) read.image_bytes = std::string(row.bytes(1));
  if (!row.is_null(2)) read.image_path = std::string(row.bytes(2));
  if (!row.is_null(3)) read.key = clean_text(row.bytes(3));
  std::size_t place = 4;
  read.values.reserve(relation.columns.size());
  for (const RelationColumn& column : relation.columns) {
    if (column.label_names.empty()) {
      read.values.push_back(converted_value(column.column.type, row, place++));
      continue;
    }
    const auto* label = std::get_if<std::int64_t>(&read.values.back());  // the column in front
    const bool named = label != nullptr && *label >= 0 &&
                       static_cast<std::size_t>(*label) < column.label_names.size();
    read.values.push_back(named ? Value(column.label_names[static_cast<std::size_t>(*label)])
                                : std::monostate{});
  }
  return read;
}

std::string bounded_key(const std::string& key) {
  if (key.size() <= kMaxKeyBytes) return key;
  return cut(key, kMaxKeyBytes - 65) + '#' + sha256_hex(key);
}

}  // namespace pgmmr
