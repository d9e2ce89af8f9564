#include "store/read_only.h"

#include <fmt/core.h>

namespace pgmmr {
namespace {

// The timeout is long enough for an exact search of millions of rows, short enough to notice a
// runaway condition.
constexpr const char* kBegin =
    "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; "
    "SET LOCAL statement_timeout = '60s'; "
    "SELECT set_config('role', 'pg_read_all_data', true) FROM pg_roles "
    "WHERE rolname = current_user AND rolsuper";

}  // namespace

ReadOnlyTransaction::ReadOnlyTransaction(Connection& connection) : connection_(connection) {
  connection_.run_script(kBegin);
}

ReadOnlyTransaction::~ReadOnlyTransaction() {
  try {
    connection_.execute("ROLLBACK");
  } catch (const Error&) {
    // The connection is gone.
  }
}

void check_condition(Connection& connection, const Collection& collection,
                     const std::string& condition) {
  connection.execute(fmt::format("SELECT FROM {} AS t WHERE ({}\n) LIMIT 0",
                                 table_of(connection, collection), condition));
}

Error condition_error(const Connection& connection, const std::string& doing,
                      const Collection& collection, const std::string& condition,
                      const Error& error) {
  const auto& server = connection.last_error();
  const bool of_condition = !condition.empty() && error.kind() != ErrorKind::kUnavailable &&
                            !server.sqlstate.starts_with("XX");
  if (!of_condition) return error;
  return Error(
      ErrorKind::kInvalidArgument,
      fmt::format("{} {} where {}: {}", doing, collection.name, condition, server.message));
}

}  // namespace pgmmr
