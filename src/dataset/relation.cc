#include "dataset/relation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <set>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "dataset/clean_text.h"

namespace pgmmr {
namespace {

constexpr std::size_t kMaxColumns = 1500;  // PostgreSQL's limit is 1,600, and the table has its own
constexpr std::size_t kMaxNameBytes = 63;  // NAMEDATALEN - 1: longer ones PostgreSQL would cut
constexpr std::size_t kMaxKeyBytes = 2000;  // a btree entry holds a third of a page, 2,704 bytes

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

// struct<bytes, path>: a child of which no row has a value may have no type of its own.
bool is_image_struct(const DuckdbType& type) {
  if (type.id != DUCKDB_TYPE_STRUCT || type.children.size() != 2) return false;
  const DuckdbType* bytes = child(type, "bytes");
  const DuckdbType* path = child(type, "path");
  const auto is = [](const DuckdbType* found, duckdb_type id) {
    return found != nullptr && (found->id == id || found->id == DUCKDB_TYPE_SQLNULL ||
                                found->id == DUCKDB_TYPE_INTEGER);
  };
  return is(bytes, DUCKDB_TYPE_BLOB) && is(path, DUCKDB_TYPE_VARCHAR) &&
         (bytes->id == DUCKDB_TYPE_BLOB || path->id == DUCKDB_TYPE_VARCHAR);
}

bool is_image_list(const DuckdbType& type) {
  return (type.id == DUCKDB_TYPE_LIST || type.id == DUCKDB_TYPE_ARRAY) &&
         is_image_struct(type.children[0]);
}

bool is_plain_text(const DuckdbType& type) {
  return type.id == DUCKDB_TYPE_VARCHAR && type.alias.empty();
}

// The first column of the kind, by the order of names; without names, the table's first.
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

const DuckdbColumn* find_struct(const std::vector<DuckdbColumn>& columns,
                                bool (*is)(const DuckdbType&)) {
  if (const auto* named = find_column(columns, kBlobNames, is)) return named;
  for (const DuckdbColumn& column : columns) {
    if (is(column.type)) return &column;
  }
  return nullptr;
}

struct Conversion {
  ColumnType type;
  std::string sql;  // gives one of the few DuckDB types that value_of() reads
};

std::string cast(const std::string& sql, const char* type) {
  return fmt::format("CAST({} AS {})", sql, type);
}

// Every type of DuckDB to one that value_of() reads: DuckDB's own casts do the work.
Conversion convert(const DuckdbType& type, const std::string& c, bool has_json) {
  if (type.id == DUCKDB_TYPE_VARCHAR && type.alias == "JSON") {
    return {ColumnType::kJsonb, cast(c, "VARCHAR")};
  }
  switch (static_cast<int>(type.id)) {
    case DUCKDB_TYPE_BOOLEAN:
      return {ColumnType::kBoolean, c};
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_UTINYINT:
      return {ColumnType::kSmallint, cast(c, "SMALLINT")};
    case DUCKDB_TYPE_SMALLINT:
      return {ColumnType::kSmallint, c};
    case DUCKDB_TYPE_USMALLINT:
      return {ColumnType::kInteger, cast(c, "INTEGER")};
    case DUCKDB_TYPE_INTEGER:
      return {ColumnType::kInteger, c};
    case DUCKDB_TYPE_UINTEGER:
      return {ColumnType::kBigint, cast(c, "BIGINT")};
    case DUCKDB_TYPE_BIGINT:
      return {ColumnType::kBigint, c};
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_DECIMAL:
    case 35:  // BIGNUM, which was called VARINT before DuckDB 1.4
      return {ColumnType::kNumeric, cast(c, "VARCHAR")};
    case DUCKDB_TYPE_FLOAT:
      return {ColumnType::kReal, c};
    case DUCKDB_TYPE_DOUBLE:
      return {ColumnType::kDouble, c};
    case DUCKDB_TYPE_DATE:
      return {ColumnType::kDate, c};
    case DUCKDB_TYPE_TIMESTAMP:
      return {ColumnType::kTimestamp, c};
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return {ColumnType::kTimestamp, cast(c, "TIMESTAMP")};
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return {ColumnType::kTimestampTz, c};
    case DUCKDB_TYPE_BLOB:
      return {ColumnType::kBytea, cast(c, "BLOB")};
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_ARRAY: {
      const auto item = type.children[0].id;
      if (item == DUCKDB_TYPE_VARCHAR || item == DUCKDB_TYPE_ENUM) {
        return {ColumnType::kTextArray, cast(c, "VARCHAR[]")};
      }
      [[fallthrough]];
    }
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_MAP:
    case DUCKDB_TYPE_UNION:
      // A second picture keeps its bytes: as JSON they would be escaped text of twice the size.
      if (is_image_struct(type)) {
        return {ColumnType::kBytea, fmt::format("CAST(struct_extract({}, 'bytes') AS BLOB)", c)};
      }
      if (has_json) return {ColumnType::kJsonb, fmt::format("CAST(to_json({}) AS VARCHAR)", c)};
      [[fallthrough]];
    default:  // VARCHAR, ENUM, UUID, TIME, INTERVAL, BIT, a column of nothing but NULL …
      return {ColumnType::kText, cast(c, "VARCHAR")};
  }
}

const char* duckdb_name(ColumnType type) {
  switch (type) {
    case ColumnType::kBoolean:
      return "BOOLEAN";
    case ColumnType::kSmallint:
      return "SMALLINT";
    case ColumnType::kInteger:
      return "INTEGER";
    case ColumnType::kBigint:
      return "BIGINT";
    case ColumnType::kReal:
      return "FLOAT";
    case ColumnType::kDouble:
      return "DOUBLE";
    case ColumnType::kDate:
      return "DATE";
    case ColumnType::kTimestamp:
      return "TIMESTAMP";
    case ColumnType::kTimestampTz:
      return "TIMESTAMPTZ";
    case ColumnType::kBytea:
      return "BLOB";
    case ColumnType::kTextArray:
      return "VARCHAR[]";
    case ColumnType::kNumeric:
    case ColumnType::kText:
    case ColumnType::kJsonb:
      break;
  }
  return "VARCHAR";
}

// Dates and times that PostgreSQL has too; DuckDB's infinities and years beyond become NULL.
Value date_value(std::int64_t days) {
  constexpr std::int64_t kFirst = -2'440'588, kLast = 2'145'042'905;  // 4713 BC to 5874897 AD
  if (days < kFirst || days > kLast) return std::monostate{};
  return days;
}
Value timestamp_value(std::int64_t microseconds) {
  constexpr std::int64_t kFirst = -210'866'803'200'000'000;  // 4713 BC
  constexpr std::int64_t kLast = 9'223'371'244'800'000'000;  // 294246 AD
  if (microseconds < kFirst || microseconds > kLast) return std::monostate{};
  return microseconds;
}

Value value_of(ColumnType type, const DuckdbRow& row, std::size_t column) {
  if (row.is_null(column)) return std::monostate{};
  switch (type) {
    case ColumnType::kBoolean:
      return row.integer(column) != 0;
    case ColumnType::kSmallint:
    case ColumnType::kInteger:
    case ColumnType::kBigint:
      return row.integer(column);
    case ColumnType::kReal:
    case ColumnType::kDouble:
      return row.real(column);
    case ColumnType::kDate:
      return date_value(row.integer(column));
    case ColumnType::kTimestamp:
    case ColumnType::kTimestampTz:
      return timestamp_value(row.integer(column));
    case ColumnType::kBytea:
      return std::string(row.bytes(column));
    case ColumnType::kTextArray: {
      std::vector<std::string> texts = row.texts(column);
      for (std::string& text : texts) text = clean_text(text);
      return texts;
    }
    case ColumnType::kJsonb:
      if (auto json = clean_json(row.bytes(column))) return std::move(*json);
      return std::monostate{};
    case ColumnType::kNumeric:
    case ColumnType::kText:
      break;
  }
  return clean_text(row.bytes(column));
}

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
    read.column.type = convert(column.type, "c", has_json).type;
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
  const auto is_blob = [](const DuckdbType& type) { return type.id == DUCKDB_TYPE_BLOB; };
  if (const auto* found = find_struct(columns, is_image_struct)) {
    relation.picture = found->name;
    relation.picture_kind = PictureKind::kStruct;
  } else if (const auto* list = find_struct(columns, is_image_list)) {
    relation.picture = list->name;
    relation.picture_kind = PictureKind::kStructList;
  } else if (const auto* blob = find_column(columns, kBlobNames, is_blob)) {
    relation.picture = blob->name;
    relation.picture_kind = PictureKind::kBlob;
  } else if (const auto* path = find_column(columns, kPathNames, is_plain_text)) {
    relation.picture = path->name;
    relation.picture_kind = PictureKind::kPath;
  } else {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("{}: no picture column; found {}; expected struct<bytes, path>, bytes called "
                    "image, or paths of files called image_path, image, file_name or path",
                    about, fmt::join(names_of(columns), ", ")));
  }
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
  for (const std::string_view name : {"key", "id"}) {
    for (const DuckdbColumn& column : columns) {
      const auto id = column.type.id;
      const bool fits = is_plain_text(column.type) || id == DUCKDB_TYPE_UUID ||
                        (id >= DUCKDB_TYPE_TINYINT && id <= DUCKDB_TYPE_UBIGINT);
      if (lower(column.name) == name && fits) candidates.push_back(column.name);
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
  const std::string c = fmt::format("c{}", *picture);
  const bool is_list = relation.picture_kind == PictureKind::kStructList;
  const std::string item = is_list ? fmt::format("list_extract({}, 1)", c) : c;
  std::string bytes = "CAST(NULL AS BLOB)", path = "CAST(NULL AS VARCHAR)";
  switch (relation.picture_kind) {
    case PictureKind::kStruct:
    case PictureKind::kStructList: {
      const DuckdbType& type = columns[*picture].type;
      if (!(is_list ? is_image_list(type) : is_image_struct(type))) {
        throw Error(ErrorKind::kCorrupt,
                    fmt::format("{}: column {} holds no pictures here, as it does in other files",
                                about, clean_text(relation.picture)));
      }
      const DuckdbType& image = is_list ? type.children[0] : type;
      if (child(image, "bytes")->id == DUCKDB_TYPE_BLOB) {
        bytes = fmt::format("CAST(struct_extract({}, 'bytes') AS BLOB)", item);
      }
      if (child(image, "path")->id == DUCKDB_TYPE_VARCHAR) {
        path = fmt::format("CAST(struct_extract({}, 'path') AS VARCHAR)", item);
      }
      break;
    }
    case PictureKind::kBlob:
      bytes = cast(c, "BLOB");
      break;
    case PictureKind::kPath:
      path = cast(c, "VARCHAR");
      break;
  }
  std::string key = "CAST(NULL AS VARCHAR)";
  if (!relation.key.empty()) {
    if (const auto place = place_of(columns, relation.key)) {
      key = fmt::format("CAST(c{} AS VARCHAR)", *place);
    }
  }
  std::string select = fmt::format("CAST({} AS BIGINT), {}, {}, {}", row_number, bytes, path, key);
  for (const RelationColumn& column : relation.columns) {
    if (!column.label_names.empty()) continue;
    std::string sql = "NULL";
    const auto place = place_of(columns, column.source_name);
    bool fits = false;
    if (place) {
      const Conversion conversion =
          convert(columns[*place].type, fmt::format("c{}", *place), has_json);
      sql = conversion.sql;
      fits = conversion.type == column.column.type;
    }
    select += ", " + (fits ? sql : cast(sql, duckdb_name(column.column.type)));
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
      read.values.push_back(value_of(column.column.type, row, place++));
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
