#include "store/ranking.h"

#include <fmt/core.h>

#include <charconv>

#include "base/error.h"

namespace pgmmr {
namespace {

// The timeout is long enough for an exact search of millions of rows, short enough to notice a
// runaway condition. A superuser, as on the embedded server, reads as a role that can only read: so
// a condition reaches no file of the server.
constexpr const char* kBegin =
    "BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = '60s'; "
    "SELECT set_config('role', 'pg_read_all_data', true) FROM pg_roles "
    "WHERE rolname = current_user AND rolsuper";
constexpr const char* kSearch =
    "SELECT key, score, similarity, vector_rank, keyword_rank, image_uri, width, height, fields "
    "FROM pgmmr.search($1, query_text => $2, query_embedding => $3, query_words => $4, "
    "\"where\" => $5, \"limit\" => $6::int, mode => $7, embedding_of_text => $8::boolean, "
    "exclude_key => $9)";

Param text_or_null(const std::string& text) {
  return text.empty() ? Param::null() : Param::text(text);
}

// A read-only transaction: rolled back in any case, since it has nothing to keep.
class ReadOnly {
 public:
  explicit ReadOnly(Connection& connection) : connection_(connection) {
    connection.run_script(kBegin);
  }
  ~ReadOnly() {
    try {
      connection_.execute("ROLLBACK");
    } catch (const Error&) {
      // The connection is gone.
    }
  }
  ReadOnly(const ReadOnly&) = delete;
  ReadOnly& operator=(const ReadOnly&) = delete;

 private:
  Connection& connection_;
};

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
  if (query.where.find('\0') != std::string::npos || query.text.find('\0') != std::string::npos) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("searching {}: the query holds a zero byte", collection.name));
  }
  const ReadOnly transaction(connection);
  try {
    if (!query.where.empty()) {
      // Alone first, by the protocol that takes one statement only: so a condition cannot end the
      // statement and begin another, and its own mistakes are told as such.
      connection.execute(fmt::format("SELECT FROM {} AS t WHERE ({}\n) LIMIT 0",
                                     table_of(connection, collection), query.where));
    }
    const Result found = connection.execute(
        kSearch,
        {Param::text(collection.name), text_or_null(query.text),
         query.embedding.empty() ? Param::null() : Param::halfvec(query.embedding),
         text_or_null(query.text_words), text_or_null(query.where), Param::number(query.limit),
         Param::text(mode_name(query.mode)), Param::boolean(query.embedding_of_text),
         query.exclude_key ? Param::text(*query.exclude_key) : Param::null()});
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
  } catch (const Error& error) {
    const auto& server = connection.last_error();
    const bool of_condition = !query.where.empty() && error.kind() != ErrorKind::kUnavailable &&
                              !server.sqlstate.starts_with("XX");
    if (!of_condition) throw;
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("searching {} where {}: {}", collection.name, query.where, server.message));
  }
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
