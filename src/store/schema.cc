#include "store/schema.h"

#include <fmt/core.h>

#include <charconv>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "store/migrations.h"

namespace pgmmr {
namespace {

// "pgmmr" in ASCII: any number that all versions of the program agree on.
constexpr const char* kLock = "SELECT pg_advisory_xact_lock(482266181746)";

constexpr const char* kHasVersions = "SELECT to_regclass('pgmmr.migration') IS NOT NULL";
constexpr const char* kVersions =
    "SELECT number, name, digest FROM pgmmr.migration ORDER BY number";
constexpr const char* kMakeVersions =
    "CREATE SCHEMA IF NOT EXISTS pgmmr;"
    "COMMENT ON SCHEMA pgmmr IS 'Picture search: catalogue of collections, ledger of ingests, the "
    "ranking functions.';"
    "CREATE TABLE IF NOT EXISTS pgmmr.migration (number int PRIMARY KEY, name text NOT NULL, "
    "digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())";
constexpr const char* kHasCollections = "SELECT EXISTS (SELECT FROM pgmmr.collection)";
constexpr const char* kAddVersion =
    "INSERT INTO pgmmr.migration (number, name, digest) VALUES ($1, $2, $3) "
    "ON CONFLICT (number) DO UPDATE SET digest = excluded.digest, applied_at = now()";
constexpr const char* kExtension =
    "SELECT e.extversion, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = "
    "e.extnamespace WHERE e.extname = 'vector'";

// The migrations that the database has yet to see, or to see again.
std::vector<Migration> open_migrations(Connection& connection) {
  const auto known = migrations();
  if (connection.execute(kHasVersions).text(0, 0) != "t") return {known.begin(), known.end()};
  const Result found = connection.execute(kVersions);
  std::vector<Migration> open;
  for (int row = 0; row < found.rows(); ++row) {
    const auto number = found.number(row, 0);
    if (number > static_cast<std::int64_t>(known.size())) {
      throw Error(
          ErrorKind::kUnsupported,
          fmt::format("the database's schema pgmmr is at version {} ({}), this program knows "
                      "up to {}: use a newer pgmmr",
                      found.number(found.rows() - 1, 0), found.text(found.rows() - 1, 1),
                      known.size()));
    }
    const auto& migration = known[static_cast<std::size_t>(number - 1)];
    const bool is_same = found.text(row, 2) == sha256_hex(migration.sql);
    if (number == row + 1 && !is_same && migration.is_repeatable()) {
      open.push_back(migration);
    } else if (number != row + 1 || !is_same) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("the database's schema pgmmr was made by another pgmmr: migration {} "
                              "there is not this program's {}",
                              found.text(row, 1), migration.name));
    }
  }
  open.insert(open.end(), known.begin() + found.rows(), known.end());
  return open;
}

// Numbers of a version like "0.8.0".
std::pair<int, int> version_of(std::string_view text) {
  int major = 0, minor = 0;
  const auto end = text.data() + text.size();
  const auto dot = std::from_chars(text.data(), end, major).ptr;
  if (dot != end) std::from_chars(dot + 1, end, minor);
  return {major, minor};
}

// Makes sure of pgvector and returns the schema that it lives in, quoted.
std::string require_pgvector(Connection& connection) {
  if (connection.execute(kExtension).rows() == 0) {
    try {
      connection.execute("CREATE EXTENSION vector");
    } catch (const Error&) {
      const std::string state = connection.last_error().sqlstate;
      const std::string said = connection.last_error().message;
      if (state != "42501" && state != "58P01" && state != "0A000") throw;
      throw Error(ErrorKind::kUnsupported,
                  state == "42501"
                      ? fmt::format("enabling pgvector: this user may not (\"{}\"): ask an "
                                    "administrator to run CREATE EXTENSION vector in this database",
                                    said)
                      : fmt::format("enabling pgvector: the server does not have it (\"{}\"): "
                                    "install pgvector 0.8 or newer for this PostgreSQL",
                                    said));
    }
  }
  const Result found = connection.execute(kExtension);
  const std::string version(found.text(0, 0));
  if (version_of(version) < std::pair(0, 8)) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("pgvector in this database is {}, expected 0.8 or newer: update it and "
                            "run ALTER EXTENSION vector UPDATE",
                            version));
  }
  return connection.quote_identifier(found.text(0, 1));
}

}  // namespace

void migrate(Connection& connection) {
  if (open_migrations(connection).empty()) return;

  Transaction transaction(connection);
  connection.execute(kLock);
  const std::string vector_schema = require_pgvector(connection);
  // Again under the lock: another process may have been quicker.
  const auto open = open_migrations(connection);
  if (!open.empty()) {
    try {
      connection.run_script(kMakeVersions);
    } catch (const Error&) {
      if (connection.last_error().sqlstate != "42501") throw;
      const std::string said = connection.last_error().message;
      throw Error(
          ErrorKind::kUnsupported,
          fmt::format("setting up schema pgmmr: this user may not (\"{}\"): grant CREATE on "
                      "the database, or let its owner run pgmmr once",
                      said));
    }
    connection.run_script(fmt::format(
        "SET LOCAL search_path = pgmmr, {}, pg_catalog; SET LOCAL check_function_bodies = on",
        vector_schema));
    for (const Migration& one : open) {
      connection.run_script(std::string(one.sql));
      connection.execute(kAddVersion,
                         {Param::number(one.number), Param::text(std::string(one.name)),
                          Param::text(sha256_hex(one.sql))});
    }
  }
  transaction.commit();
}

void drop_empty_schema(Connection& connection) {
  Transaction transaction(connection);
  connection.execute(kLock);
  if (connection.execute(kHasCollections).text(0, 0) == "t") {
    throw Error(ErrorKind::kConflict, "dropping schema pgmmr: the database holds collections");
  }
  connection.execute("DROP SCHEMA pgmmr CASCADE");
  transaction.commit();
}

}  // namespace pgmmr
