// libpq behind values: a connection, binary parameters, results, transactions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;
struct pg_result;

namespace pgmmr {

// One parameter: text as PostgreSQL reads it, or the type's binary form. oid 0 lets the server
// infer the type.
struct Param {
  std::optional<std::string> bytes;  // nothing is NULL
  std::uint32_t oid = 0;
  bool binary = false;
  static Param text(std::string value) { return {std::move(value), 0, false}; }
  static Param null() { return {}; }
  static Param number(std::int64_t value) { return {std::to_string(value), 0, false}; }
  static Param real(double value);
  static Param halfvec(std::span<const float>
                           values);  // pgvector's binary form; the statement casts it: $1::halfvec
};

class Result {
 public:
  explicit Result(pg_result* result);
  int rows() const;
  int cols() const;
  bool is_null(int row, int col) const;
  std::string_view text(int row, int col) const;  // results arrive in text form
  std::int64_t number(int row, int col) const;
  double real(int row, int col) const;
  std::string bytes(int row, int col) const;  // of a bytea
  std::string column(int col) const;
  std::uint32_t type(int col) const;  // oid
  std::int64_t affected() const;

 private:
  struct Deleter {
    void operator()(pg_result* result) const noexcept;
  };
  std::unique_ptr<pg_result, Deleter> result_;
};

// Belongs to one thread at a time.
class Connection {
 public:
  // url: a libpq connection string or postgresql:// URL. Checks server >= 15.
  //   throws  Error{kUnavailable} without the password in its message
  explicit Connection(const std::string& url);

  //   throws  Error of the kind that fits the SQLSTATE: 22/42 kInvalidArgument, 23 kConflict, 57014
  //   kCancelled,
  //           08/57 kUnavailable, else kInternal; the message has the server's own and says what
  //           was being done
  Result execute(const std::string& sql, const std::vector<Param>& params = {});

  std::string quote_identifier(std::string_view name);
  std::string quote_literal(std::string_view text);
  pg_conn* raw() { return connection_.get(); }

 private:
  struct Deleter {
    void operator()(pg_conn* connection) const noexcept;
  };
  std::unique_ptr<pg_conn, Deleter> connection_;
};

// BEGIN here, ROLLBACK in the destructor unless commit() ran.
class Transaction {
 public:
  explicit Transaction(Connection& connection);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Connection& connection_;
  bool open_ = true;
};

}  // namespace pgmmr
