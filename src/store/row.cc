#include "store/row.h"

#include <fmt/core.h>

#include <algorithm>

namespace pgmmr {
namespace {

// querytree leaves out what is negated, and is '' or T where nothing else is left.
constexpr const char* kMark =
    "WITH q AS (SELECT querytree(websearch_to_tsquery($1::regconfig, $2)) AS tree) "
    "SELECT ts_headline($1::regconfig, u.text, CASE WHEN q.tree NOT IN ('', 'T') THEN "
    "q.tree::tsquery END, E'HighlightAll=true, StartSel=\\x02, StopSel=\\x03') "
    "FROM q, unnest($3::text[]) WITH ORDINALITY AS u (text, n) ORDER BY u.n";

// {0} are the columns, {1} the table.
constexpr const char* kFind = "SELECT {0} FROM {1} AS t WHERE t.key = $1";
constexpr const char* kSample =
    "WITH chosen AS MATERIALIZED "
    "(SELECT t.key, sha256(convert_to(t.key, 'UTF8')) AS place FROM {1} AS t "
    "TABLESAMPLE SYSTEM ($2) REPEATABLE (0) ORDER BY place, t.key LIMIT $1) "
    "SELECT {0} FROM chosen AS c JOIN {1} AS t ON t.key = c.key ORDER BY c.place, c.key";
constexpr double kLookedAt = 20'000;  // rows of a sample's hashes: a few milliseconds

std::string columns_of(Connection& connection, const Collection& collection) {
  std::string names;
  for (const TableColumn& column : collection.columns) {
    names += (names.empty() ? "t." : ", t.") + connection.quote_identifier(column.name);
  }
  return "t.key, t.image_uri, t.width, t.height, " +
         (names.empty() ? "'{}'"
                        : fmt::format("row_to_json((SELECT f FROM (SELECT {}) AS f))", names));
}

std::vector<RankedRow> rows_of(const Result& found) {
  std::vector<RankedRow> rows;
  for (int at = 0; at < found.rows(); ++at) {
    RankedRow& row = rows.emplace_back();
    row.key = found.text(at, 0);
    row.image_uri = found.text(at, 1);
    row.width = static_cast<int>(found.number(at, 2));
    row.height = static_cast<int>(found.number(at, 3));
    row.fields = found.text(at, 4);
  }
  return rows;
}

}  // namespace

std::optional<RankedRow> find_row(Connection& connection, const Collection& collection,
                                  const std::string& key) {
  auto rows = rows_of(connection.execute(
      fmt::format(kFind, columns_of(connection, collection), table_of(connection, collection)),
      {Param::text(key)}));
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}

std::vector<RankedRow> sample_rows(Connection& connection, const Collection& collection, int limit,
                                   std::int64_t total) {
  const double rows = std::max<double>(1, static_cast<double>(total));
  const double percent = std::min(100.0, 100 * kLookedAt / rows);
  return rows_of(connection.execute(
      fmt::format(kSample, columns_of(connection, collection), table_of(connection, collection)),
      {Param::number(limit), Param::real(percent)}));
}

std::vector<std::string> mark_words(Connection& connection, const std::string& config,
                                    const std::string& query,
                                    const std::vector<std::string>& texts) {
  const Result found = connection.execute(
      kMark, {Param::text(config), Param::text(query), Param::text_array(texts)});
  std::vector<std::string> marked;
  for (int row = 0; row < found.rows(); ++row) marked.emplace_back(found.text(row, 0));
  return marked;
}

}  // namespace pgmmr
