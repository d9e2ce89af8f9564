#include "store/row.h"

#include <fmt/core.h>

namespace pgmmr {
namespace {

// querytree leaves out what is negated, and is '' or T where nothing else is left.
constexpr const char* kMark =
    "WITH q AS (SELECT querytree(websearch_to_tsquery($1::regconfig, $2)) AS tree) "
    "SELECT ts_headline($1::regconfig, u.text, CASE WHEN q.tree NOT IN ('', 'T') THEN "
    "q.tree::tsquery END, E'HighlightAll=true, StartSel=\\x02, StopSel=\\x03') "
    "FROM q, unnest($3::text[]) WITH ORDINALITY AS u (text, n) ORDER BY u.n";

}  // namespace

std::optional<RankedRow> find_row(Connection& connection, const Collection& collection,
                                  const std::string& key) {
  std::string columns;
  for (const TableColumn& column : collection.columns) {
    columns += (columns.empty() ? "t." : ", t.") + connection.quote_identifier(column.name);
  }
  const std::string fields =
      columns.empty() ? "'{}'"
                      : fmt::format("row_to_json((SELECT f FROM (SELECT {}) AS f))", columns);
  const Result found = connection.execute(
      fmt::format("SELECT t.key, t.image_uri, t.width, t.height, {} FROM {} AS t WHERE t.key = $1",
                  fields, table_of(connection, collection)),
      {Param::text(key)});
  if (found.rows() == 0) return std::nullopt;
  RankedRow row;
  row.key = found.text(0, 0);
  row.image_uri = found.text(0, 1);
  row.width = static_cast<int>(found.number(0, 2));
  row.height = static_cast<int>(found.number(0, 3));
  row.fields = found.text(0, 4);
  return row;
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
