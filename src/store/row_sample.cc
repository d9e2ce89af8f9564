#include "store/row_sample.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "store/binary_format.h"
#include "store/embedding_scan.h"
#include "store/read_only.h"

namespace pgmmr {
namespace {

// In all of them {0} is the table, {1} the searched rows' condition, {2} the asking rows'
// condition, {3} the column. A condition stands where only the table is in scope, as in
// pgmmr.search.
constexpr const char* kByHash = "ORDER BY sha256(convert_to(c.key, 'UTF8')), c.key";

constexpr const char* kCaptions =
    "WITH able AS MATERIALIZED (SELECT t.key FROM {0} AS t WHERE ({1}\n) AND ({2}\n) AND {4}), "
    "chosen AS MATERIALIZED (SELECT c.key, count(*) OVER () AS able FROM able AS c {5} LIMIT $1) "
    "SELECT c.key, c.able, to_json({3})::text FROM chosen AS c JOIN {0} AS t ON t.key = c.key {5}";

constexpr const char* kPartners =
    "WITH searched AS MATERIALIZED "
    "(SELECT t.key, {3}::text AS label FROM {0} AS t WHERE {3} IS NOT NULL AND ({1}\n)), "
    "sharing AS MATERIALIZED (SELECT label, count(*) AS rows FROM searched GROUP BY label), "
    "asking AS MATERIALIZED "
    "(SELECT t.key, {3}::text AS label FROM {0} AS t WHERE {3} IS NOT NULL AND ({2}\n)), "
    "chosen AS MATERIALIZED (SELECT c.key, c.label, count(*) OVER () AS able FROM asking AS c "
    "JOIN sharing AS g ON g.label = c.label LEFT JOIN searched AS s ON s.key = c.key "
    "WHERE g.rows > (s.key IS NOT NULL)::int {5} LIMIT $1) "
    "SELECT c.key, c.able, c.label, {4} FROM chosen AS c JOIN {0} AS t ON t.key = c.key {5}";

constexpr const char* kEmbeddings =
    "WITH able AS MATERIALIZED (SELECT t.key FROM {0} AS t WHERE ({1}\n)), "
    "chosen AS MATERIALIZED (SELECT c.key, count(*) OVER () AS able FROM able AS c {3} LIMIT $1) "
    "SELECT c.key, c.able, {2} FROM chosen AS c JOIN {0} AS t ON t.key = c.key {3}";

constexpr const char* kKnown =
    "SELECT t.key, ({1}\n) IS TRUE FROM {0} AS t WHERE t.key = ANY ($1::text[])";

std::string all_if_empty(const std::string& condition) {
  return condition.empty() ? "true" : condition;
}

// Runs a statement with these conditions in it, each tried alone first, so that its own mistakes
// are told as such.
Result run(Connection& connection, const Collection& collection, const SampleConditions& conditions,
           const std::function<Result()>& statement) {
  const ReadOnlyTransaction transaction(connection);
  std::string current;
  try {
    for (const auto& condition : {conditions.searched, conditions.asking}) {
      current = condition;
      if (!condition.empty()) check_condition(connection, collection, condition);
    }
    if (conditions.asking != conditions.searched && !conditions.searched.empty()) {
      current = conditions.searched + (current.empty() ? "" : ", " + current);
    }
    return statement();
  } catch (const Error& error) {
    throw condition_error(connection, "evaluating", collection, current, error);
  }
}

std::vector<std::string> parse_texts(std::string_view json) {
  const auto has_words = [](const std::string& text) {
    return text.find_first_not_of(" \t\r\n\f\v") != std::string::npos;
  };
  std::vector<std::string> texts;
  for (const auto& text : nlohmann::json::parse(json)) {
    if (!text.is_string()) continue;  // NULL
    auto one = text.get<std::string>();
    if (has_words(one)) texts.push_back(std::move(one));
  }
  return texts;
}

}  // namespace

RowSample sample_captions(Connection& connection, const Collection& collection,
                          const std::string& column, const SampleConditions& conditions,
                          int limit) {
  const auto found = std::ranges::find(collection.columns, column, &TableColumn::name);
  const bool is_list =
      found != collection.columns.end() && cell_type(found->type) == CellType::kTextArray;
  const std::string name = "t." + connection.quote_identifier(column);
  const std::string texts = is_list ? name : "ARRAY[" + name + "]";
  const std::string has_text = fmt::format(
      "EXISTS (SELECT FROM unnest({}) AS u (text) WHERE u.text ~ '[^ \\t\\r\\n\\f\\v]')", texts);
  const Result result = run(connection, collection, conditions, [&] {
    return connection.execute(
        fmt::format(kCaptions, table_of(connection, collection), all_if_empty(conditions.searched),
                    all_if_empty(conditions.asking), texts, has_text, kByHash),
        {Param::number(limit)});
  });
  RowSample sample;
  for (int row = 0; row < result.rows(); ++row) {
    sample.able = result.number(row, 1);
    sample.rows.push_back(
        {std::string(result.text(row, 0)), parse_texts(result.text(row, 2)), "", {}});
  }
  return sample;
}

RowSample sample_partners(Connection& connection, const Collection& collection,
                          const std::string& column, const SampleConditions& conditions,
                          int limit) {
  const Result result = run(connection, collection, conditions, [&] {
    return connection.execute(
        fmt::format(kPartners, table_of(connection, collection), all_if_empty(conditions.searched),
                    all_if_empty(conditions.asking), "t." + connection.quote_identifier(column),
                    embedding_bytes(connection, "t.embedding"), kByHash),
        {Param::number(limit)});
  });
  RowSample sample;
  for (int row = 0; row < result.rows(); ++row) {
    SampledRow one{std::string(result.text(row, 0)), {}, std::string(result.text(row, 2)), {}};
    append_embedding(one.embedding, result.bytes(row, 3), collection.dim, one.key);
    sample.able = result.number(row, 1);
    sample.rows.push_back(std::move(one));
  }
  return sample;
}

RowSample sample_embeddings(Connection& connection, const Collection& collection,
                            const std::string& searched, int limit) {
  const Result result = run(connection, collection, {searched, ""}, [&] {
    return connection.execute(
        fmt::format(kEmbeddings, table_of(connection, collection), all_if_empty(searched),
                    embedding_bytes(connection, "t.embedding"), kByHash),
        {Param::number(limit)});
  });
  RowSample sample;
  for (int row = 0; row < result.rows(); ++row) {
    SampledRow one{std::string(result.text(row, 0)), {}, "", {}};
    append_embedding(one.embedding, result.bytes(row, 2), collection.dim, one.key);
    sample.able = result.number(row, 1);
    sample.rows.push_back(std::move(one));
  }
  return sample;
}

std::int64_t count_rows(Connection& connection, const Collection& collection,
                        const std::string& searched) {
  return run(connection, collection, {searched, ""},
             [&] {
               return connection.execute(fmt::format("SELECT count(*) FROM {} AS t WHERE ({}\n)",
                                                     table_of(connection, collection),
                                                     all_if_empty(searched)));
             })
      .number(0, 0);
}

KnownKeys known_keys(Connection& connection, const Collection& collection,
                     const std::vector<std::string>& keys, const std::string& searched) {
  const Result result = run(connection, collection, {searched, ""}, [&] {
    return connection.execute(
        fmt::format(kKnown, table_of(connection, collection), all_if_empty(searched)),
        {Param::text_array(keys)});
  });
  std::unordered_map<std::string, bool> found;
  for (int row = 0; row < result.rows(); ++row) {
    found.emplace(result.text(row, 0), result.text(row, 1) == "t");
  }
  KnownKeys known;
  for (const auto& key : keys) {
    const auto one = found.find(key);
    known.there.push_back(one != found.end());
    known.searched.push_back(one != found.end() && one->second);
  }
  return known;
}

}  // namespace pgmmr
