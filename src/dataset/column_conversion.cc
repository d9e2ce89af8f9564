#include "dataset/column_conversion.h"

#include <fmt/format.h>

#include "dataset/clean_text.h"
#include "dataset/picture_column.h"

namespace pgmmr {
namespace {

std::string cast(const std::string& sql, const char* type) {
  return fmt::format("CAST({} AS {})", sql, type);
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

}  // namespace

ColumnConversion column_conversion(const DuckdbType& type, const std::string& c, bool has_json) {
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

std::string cast_to(const std::string& sql, ColumnType type) {
  return cast(sql, duckdb_name(type));
}

Value converted_value(ColumnType type, const DuckdbRow& row, std::size_t column) {
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

}  // namespace pgmmr
