// The indexes of a collection, built after the bulk of its rows: pgvector's HNSW over the
// embeddings, GIN over the captions. DATABASE.md's measurements chose the parameters.
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <tuple>

#include "base/error.h"
#include "store/collection.h"

namespace pgmmr {
namespace {

constexpr const char* kLock =
    "SELECT pg_advisory_xact_lock(hashtextextended('pgmmr.finish_indexes ' || $1, 0))";
constexpr const char* kHasIndex =
    "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "JOIN pg_am a ON a.oid = c.relam JOIN pg_attribute t ON t.attrelid = i.indrelid "
    "AND t.attnum = i.indkey[0] WHERE i.indrelid = $1::regclass AND a.amname = $2 "
    "AND t.attname = $3 AND i.indisvalid)";
constexpr const char* kVector =
    "SELECT e.extversion, quote_ident(n.nspname) FROM pg_extension e "
    "JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'";
constexpr const char* kMemory =
    "SELECT pg_size_bytes(current_setting('maintenance_work_mem')), "
    "pg_size_bytes(current_setting('shared_buffers'))";
constexpr const char* kSetMemory =
    "SELECT set_config('maintenance_work_mem', $1, true), "
    "set_config('max_parallel_maintenance_workers', $2, true)";

bool has_index(Connection& connection, const std::string& table, const char* method,
               const char* column) {
  return connection
             .execute(kHasIndex, {Param::text(table), Param::text(method), Param::text(column)})
             .text(0, 0) == "t";
}

// The whole graph must fit, or the build falls back to one that is many times slower: 1.8 kB a row
// of 512 dimensions were measured, twice the half-precision values and 800 bytes of neighbours.
// What a server can spare is not to be asked: twice its shared_buffers, by custom half its memory.
std::int64_t index_memory_kb(Connection& connection, std::int64_t rows, int dim) {
  constexpr std::int64_t kLeast = std::int64_t{2} << 30;
  const Result found = connection.execute(kMemory);
  const std::int64_t needed = rows * (std::int64_t{dim} * 2 + 900) * 11 / 10;
  const std::int64_t spare = std::max(kLeast, 2 * found.number(0, 1));
  return std::max(found.number(0, 0), std::min(needed, spare)) / 1024;
}

// pgvector 0.6.0 to 0.8.1 overrun a buffer in parallel HNSW builds (CVE-2026-3172).
bool builds_safely_in_parallel(const std::string& version) {
  int major = 0, minor = 0, patch = 0;
  if (std::sscanf(version.c_str(), "%d.%d.%d", &major, &minor, &patch) < 2) return false;
  return std::tuple(major, minor, patch) >= std::tuple(0, 8, 2);
}

void build_vector_index(Connection& connection, const Collection& collection,
                        const std::string& table, std::int64_t rows) {
  const Result vector = connection.execute(kVector);
  const std::string sql = fmt::format(
      "CREATE INDEX ON {} USING hnsw (embedding {}.halfvec_ip_ops) WITH (m = 16, ef_construction = "
      "100)",
      table, vector.text(0, 1));
  const auto memory =
      Param::text(fmt::format("{}kB", index_memory_kb(connection, rows, collection.dim)));
  bool parallel = builds_safely_in_parallel(std::string(vector.text(0, 0)));
  connection.execute("SAVEPOINT build");
  for (;;) {
    connection.execute(kSetMemory, {memory, Param::text(parallel ? "8" : "0")});
    try {
      connection.execute(sql);
      return;
    } catch (const Error&) {
      // 53100: the build's shared segment does not fit /dev/shm (64 MB in many containers). Alone
      // it needs none.
      if (!parallel || connection.last_error().sqlstate != "53100") throw;
      parallel = false;
      connection.execute("ROLLBACK TO SAVEPOINT build");
    }
  }
}

}  // namespace

void finish_indexes(Connection& connection, const std::string& name) {
  const Collection collection = get_collection(connection, name);
  const std::string table = table_of(connection, collection);
  {
    Transaction transaction(connection);
    connection.execute(kLock, {Param::text(name)});
    if (!collection.captions.empty() && !has_index(connection, table, "gin", "caption_tsv")) {
      connection.execute("CREATE INDEX ON " + table + " USING gin (caption_tsv)");
    }
    if (!has_index(connection, table, "hnsw", "embedding")) {
      const auto rows =
          connection
              .execute(fmt::format("SELECT count(*) FROM (SELECT FROM {} LIMIT {}) AS bounded",
                                   table, kExactSearchRows + 1))
              .number(0, 0);
      if (rows > kExactSearchRows) {
        const auto all = connection.execute("SELECT count(*) FROM " + table).number(0, 0);
        build_vector_index(connection, collection, table, all);
      }
    }
    transaction.commit();
  }
  connection.execute("ANALYZE " + table);
}

}  // namespace pgmmr
