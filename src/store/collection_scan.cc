#include "store/collection_scan.h"

#include <fmt/core.h>

#include <charconv>

#include "base/error.h"
#include "store/binary_format.h"

namespace pgmmr {
namespace {

// 500 rows of 1,024 dimensions are about 5 MB of text.
constexpr const char* kFetch = "FETCH FORWARD 500 FROM pgmmr_scan";
constexpr const char* kSettings =
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL datestyle = 'ISO, YMD'; "
    "SET LOCAL timezone = 'UTC'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1";

std::string text_form(Connection& connection, const TableColumn& column) {
  const std::string name = connection.quote_identifier(column.name);
  switch (cell_type(column.type)) {
    case CellType::kBytea:
      return "encode(" + name + ", 'hex')";
    case CellType::kTextArray:
      return "to_json(" + name + ")::text";
    default:
      return name + "::text";
  }
}

std::vector<float> parse_vector(std::string_view text, int dim, const std::string& key) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(dim));
  const char* at = text.data() + 1;  // [1,0.5,…]
  const char* const end = text.data() + text.size();
  while (at < end) {
    float value = 0;
    const auto [next, code] = std::from_chars(at, end, value);
    if (code != std::errc()) break;
    values.push_back(value);
    at = next + 1;
  }
  if (values.size() != static_cast<std::size_t>(dim)) {
    throw Error(ErrorKind::kCorrupt, fmt::format("reading the embedding of \"{}\": {} values, "
                                                 "expected {}",
                                                 key, values.size(), dim));
  }
  return values;
}

}  // namespace

CollectionScan::CollectionScan(Connection& connection, const Collection& collection)
    : connection_(connection), collection_(collection), transaction_(connection) {
  connection_.run_script(kSettings);
  const std::string table = table_of(connection_, collection_);
  rows_ = connection_.execute("SELECT count(*) FROM " + table).number(0, 0);
  std::string columns = "key, image_uri, embedding";
  for (const TableColumn& column : collection_.columns) {
    columns += ", " + text_form(connection_, column);
  }
  connection_.execute("DECLARE pgmmr_scan NO SCROLL CURSOR FOR SELECT " + columns + " FROM " +
                      table + " ORDER BY key");
}

std::optional<ScannedRow> CollectionScan::next() {
  if (fetched_.empty() && !at_end_) fetch();
  if (fetched_.empty()) return std::nullopt;
  ScannedRow row = std::move(fetched_.front());
  fetched_.pop_front();
  return row;
}

void CollectionScan::fetch() {
  const Result result = connection_.execute(kFetch);
  at_end_ = result.rows() == 0;
  for (int i = 0; i < result.rows(); ++i) {
    ScannedRow row;
    row.key = result.text(i, 0);
    row.image_uri = result.text(i, 1);
    row.embedding = parse_vector(result.text(i, 2), collection_.dim, row.key);
    for (int column = 3; column < result.cols(); ++column) {
      row.values.emplace_back();
      if (!result.is_null(i, column)) row.values.back() = result.text(i, column);
    }
    fetched_.push_back(std::move(row));
  }
}

}  // namespace pgmmr
