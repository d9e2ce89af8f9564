#include "store/ranking.h"

#include <fmt/core.h>

#include <charconv>

#include "base/error.h"
#include "store/read_only.h"

namespace pgmmr {
namespace {

constexpr const char* kSearch =
    "SELECT key, score, similarity, vector_rank, keyword_rank, image_uri, width, height, fields "
    "FROM pgmmr.search($1, query_text => $2, query_embedding => $3, query_words => $4, "
    "\"where\" => $5, \"limit\" => $6::int, mode => $7, embedding_of_text => $8::boolean, "
    "exclude_key => $9)";

constexpr const char* kWay =
    "SELECT way FROM pgmmr.plan_search($1, $2, $3, $4, $5, $6::int, $7, $8::boolean, $9, false)";

Param text_or_null(const std::string& text) {
  return text.empty() ? Param::null() : Param::text(text);
}

// In the order of pgmmr.plan_search's, which kSearch gives by name.
std::vector<Param> parameters(const Collection& collection, const RankingQuery& query) {
  return {Param::text(collection.name),
          text_or_null(query.text),
          query.embedding.empty() ? Param::null() : Param::halfvec(query.embedding),
          text_or_null(query.text_words),
          text_or_null(query.where),
          Param::number(query.limit),
          Param::text(mode_name(query.mode)),
          Param::boolean(query.embedding_of_text),
          query.exclude_key ? Param::text(*query.exclude_key) : Param::null()};
}

void check_bytes(const Collection& collection, const RankingQuery& query) {
  if (query.where.find('\0') == std::string::npos && query.text.find('\0') == std::string::npos) {
    return;
  }
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("searching {}: the query holds a zero byte", collection.name));
}

// The statement with the query's parameters.
Result run(Connection& connection, const Collection& collection, const RankingQuery& query,
           const char* statement) {
  check_bytes(collection, query);
  // A condition is somebody's own SQL and must not write; without one there is nothing to guard,
  // and two round trips are saved.
  std::optional<ReadOnlyTransaction> transaction;
  if (!query.where.empty()) transaction.emplace(connection);
  try {
    // Alone first, so that its own mistakes are told as such.
    if (!query.where.empty()) check_condition(connection, collection, query.where);
    return connection.execute_prepared(statement, parameters(collection, query));
  } catch (const Error& error) {
    throw condition_error(connection, "searching", collection, query.where, error);
  }
}

std::optional<int> rank_at(const Result& result, int row, int col) {
  if (result.is_null(row, col)) return std::nullopt;
  return static_cast<int>(result.number(row, col));
}

}  // namespace

const char* mode_name(RankingMode mode) {
  switch (mode) {
    case RankingMode::kVector:
      return "vector";
    case RankingMode::kKeyword:
      return "keyword";
    case RankingMode::kHybrid:
      return "hybrid";
  }
  return "";
}

std::vector<RankedRow> rank(Connection& connection, const Collection& collection,
                            const RankingQuery& query) {
  const Result found = run(connection, collection, query, kSearch);
  std::vector<RankedRow> rows;
  for (int row = 0; row < found.rows(); ++row) {
    RankedRow one;
    one.key = found.text(row, 0);
    one.score = found.real(row, 1);
    if (!found.is_null(row, 2)) one.similarity = found.real(row, 2);
    one.vector_rank = rank_at(found, row, 3);
    one.keyword_rank = rank_at(found, row, 4);
    one.image_uri = found.text(row, 5);
    one.width = static_cast<int>(found.number(row, 6));
    one.height = static_cast<int>(found.number(row, 7));
    one.fields = found.text(row, 8);
    rows.push_back(std::move(one));
  }
  return rows;
}

std::string ranking_way(Connection& connection, const Collection& collection,
                        const RankingQuery& query) {
  return std::string(run(connection, collection, query, kWay).text(0, 0));
}

std::optional<std::vector<float>> stored_embedding(Connection& connection,
                                                   const Collection& collection,
                                                   const std::string& key) {
  const Result found = connection.execute(
      "SELECT embedding FROM " + table_of(connection, collection) + " WHERE key = $1",
      {Param::text(key)});
  if (found.rows() == 0) return std::nullopt;
  std::vector<float> values;
  const auto text = found.text(0, 0);  // [1,0.5,…]
  const char* at = text.data() + 1;
  const char* const end = text.data() + text.size();
  while (at < end) {
    float value = 0;
    const auto [next, code] = std::from_chars(at, end, value);
    if (code != std::errc()) break;
    values.push_back(value);
    at = next + 1;
  }
  if (values.size() != static_cast<std::size_t>(collection.dim)) {
    throw Error(ErrorKind::kCorrupt,
                fmt::format("reading the embedding of \"{}\" in {}: {} values, expected {}", key,
                            collection.name, values.size(), collection.dim));
  }
  return values;
}

}  // namespace pgmmr
