// A column of DuckDB's as PostgreSQL keeps it: which of the few column types, by which SQL, and
// each value.
#pragma once

#include <string>

#include "dataset/dataset.h"
#include "dataset/duckdb_session.h"

namespace pgmmr {

struct ColumnConversion {
  ColumnType type;
  std::string sql;  // gives one of the few DuckDB types that converted_value() reads
};

// Takes every type of DuckDB: its own casts do the work. Nested types become jsonb, and what
// PostgreSQL has no type for becomes text.
//   c         the column's name in the SQL
//   has_json  DuckdbSession::has_json(); without it nested types are text
ColumnConversion column_conversion(const DuckdbType& type, const std::string& c, bool has_json);

// The SQL that makes `sql` what converted_value() reads for that type: for a column that is of
// another type in this file than in the one that decided.
std::string cast_to(const std::string& sql, ColumnType type);

// The value of a converted column. Text is cleaned (clean_text.h); dates and times that PostgreSQL
// does not have, and text that jsonb does not take, are NULL.
Value converted_value(ColumnType type, const DuckdbRow& row, std::size_t column);

}  // namespace pgmmr
