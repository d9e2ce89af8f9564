// libpq behind values: a connection, binary parameters, results, transactions.
#pragma once

#include <cstdint>
#include <map>
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
  static Param boolean(bool value) { return text(value ? "t" : "f"); }
  // pgvector's binary form; the statement casts it ($1::halfvec) or hands it to a function that
  // takes one. Throws Error{kInvalidArgument} for a value outside half precision's range.
  static Param halfvec(std::span<const float> values);
  static Param text_array(const std::vector<std::string>& values);
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
  pg_result* raw() const { return result_.get(); }

 private:
  struct Deleter {
    void operator()(pg_result* result) const noexcept;
  };
  std::unique_ptr<pg_result, Deleter> result_;
};

// What the server said of the statement that failed last: for the few callers that act on it.
struct ServerError {
  std::string sqlstate, message;
};

// A connection string in two: the rest as libpq's key='value' form, for a program's command line.
//   throws  Error{kInvalidArgument} for a string that libpq cannot read
struct SplitUrl {
  std::string rest;
  std::optional<std::string> password;
};
SplitUrl split_password(const std::string& url);

// Belongs to one thread at a time.
class Connection {
 public:
  // url: a libpq connection string or postgresql:// URL; several hosts and TLS are libpq's affair.
  // Checks server >= 15.
  //   throws  Error{kUnavailable} without the password in its message, kInvalidArgument for a
  //           string that libpq cannot read, kUnsupported for an older server
  explicit Connection(const std::string& url);

  // One statement.
  //   throws  Error of the kind that fits the SQLSTATE: 22/42/54 kInvalidArgument, 23 kConflict,
  //           57014 kCancelled, 0A kUnsupported, 08/53/57/40 kUnavailable (try again), else
  //           kInternal; the message has the server's own and the statement's beginning
  Result execute(const std::string& sql, const std::vector<Param>& params = {});

  // The same for a statement that comes again and again, its parameters of the same types each
  // time: from its second time on the server keeps it parsed and planned. Sent whole like any
  // other inside a transaction, whose end a refusal would be, and where the server forgets it, as
  // it does behind a pooler that hands sessions around.
  Result execute_prepared(const std::string& sql, const std::vector<Param>& params);

  // Any number of statements without parameters, as one transaction where none is open.
  void run_script(const std::string& sql);

  // COPY … FROM STDIN with all of its data.
  void copy_in(const std::string& sql, std::string_view data);

  const ServerError& last_error() const { return last_error_; }

  // False once libpq has noticed that the server is gone; it notices when a statement fails.
  bool alive() const;

  std::string quote_identifier(std::string_view name);
  std::string quote_literal(std::string_view text);
  pg_conn* raw() { return connection_.get(); }

 private:
  struct Deleter {
    void operator()(pg_conn* connection) const noexcept;
  };
  struct Repeated {
    std::string name;  // of the prepared statement
    enum { kSeen, kPrepared, kNever } state = kSeen;
  };

  void check(const std::vector<Param>& params, std::string_view sql);
  // Fails where the result is one of a failure.
  Result checked(Result result, std::string_view sql);
  [[noreturn]] void fail(const pg_result* result, std::string_view sql);

  std::unique_ptr<pg_conn, Deleter> connection_;
  std::map<std::string, Repeated> repeated_;  // by statement
  ServerError last_error_;
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
