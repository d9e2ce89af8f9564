// A relation that DuckDB reads (a Parquet file, a table, a query) to rows of a dataset: which
// column holds the picture, which the key, and how every other one becomes a PostgreSQL type.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dataset/dataset.h"
#include "dataset/duckdb_session.h"
#include "dataset/picture_column.h"

namespace pgmmr {

struct RelationColumn {
  Column column;
  std::string source_name;               // of DuckDB's column that it is made of
  std::vector<std::string> label_names;  // a text column of a class label's names, where not empty
};

struct Relation {
  std::string picture;  // the column's name, as DuckDB has it
  PictureKind picture_kind = PictureKind::kStruct;
  std::string key;  // likewise; empty where rows are known by their place
  std::vector<RelationColumn> columns;

  std::vector<Column> plain_columns() const;
};

// A dataset's class labels by column name: Hugging Face keeps them in a Parquet file's metadata.
using ClassLabels = std::map<std::string, std::vector<std::string>>;

// Decides how a relation is read.
//   about   the source, for messages
//   key     the column asked for as key; empty leaves Relation::key empty
//   throws  Error{kInvalidArgument} without a picture column (naming those there are) or with a key
//           column that isn't there, kUnsupported beyond 1,500 columns
Relation plan_relation(const std::string& about, const std::vector<DuckdbColumn>& columns,
                       const std::string& key, bool has_json, const ClassLabels& labels = {});

// The same for a relation whose column of paths is known.
Relation plan_columns(const std::string& about, const std::vector<DuckdbColumn>& columns,
                      const std::string& path_column, bool has_json);

// The columns that can serve as key where nobody asked for one: key, id, by name and type.
std::vector<std::string> key_candidates(const std::vector<DuckdbColumn>& columns);

// The SELECT list that relation_row() reads, over a relation whose columns are called c0, c1, …
// (column_aliases), with the row's number as an expression. A column that this file lacks is NULL,
// and one of another type is cast.
std::string relation_select(const std::string& about, const Relation& relation,
                            const std::vector<DuckdbColumn>& columns, const std::string& row_number,
                            bool has_json);
std::string column_aliases(std::size_t count);  // "c0, c1, c2"

struct RelationRow {
  std::int64_t number = 0;
  std::optional<std::string> key;  // the key column's text, where the relation has one
  std::vector<Value> values;       // one for each of plain_columns()
  std::optional<std::string> image_bytes;
  std::optional<std::string> image_path;  // as written, unchecked
};
RelationRow relation_row(const Relation& relation, const DuckdbRow& row);

// A key that a primary key's index can hold: one above 2,000 bytes is cut and ends in its SHA-256.
std::string bounded_key(const std::string& key);

}  // namespace pgmmr
