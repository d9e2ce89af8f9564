// Which column of a relation holds its pictures.
//
// Hugging Face's Image layout, struct<bytes, path> with its children matched by name in any order
// (datasets' features/image.py), or a list of them, whose first is taken; else a BLOB column named
// like a picture; else a text column that holds paths.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dataset/duckdb_session.h"

namespace pgmmr {

enum class PictureKind { kStruct, kStructList, kBlob, kPath };

struct PictureColumn {
  std::string name;  // as DuckDB has it
  PictureKind kind = PictureKind::kStruct;
};

// Nothing where no column looks like one. Of several: the best layout, then the best name, then the
// first.
std::optional<PictureColumn> find_picture_column(const std::vector<DuckdbColumn>& columns);

// struct<bytes, path>, where one child may be of nothing but NULL.
bool is_image_struct(const DuckdbType& type);

// SQL expressions over the column called `c`: a BLOB and a VARCHAR, NULL where it has none.
struct PictureSql {
  std::string bytes = "CAST(NULL AS BLOB)", path = "CAST(NULL AS VARCHAR)";
};
//   returns  nothing where a column of that type holds no pictures of that kind
std::optional<PictureSql> picture_sql(PictureKind kind, const DuckdbType& type,
                                      const std::string& c);

}  // namespace pgmmr
