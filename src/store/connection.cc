#include "store/connection.h"

#include <fmt/core.h>
#include <libpq-fe.h>

#include <cassert>
#include <charconv>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "store/binary_format.h"

namespace pgmmr {
namespace {

constexpr int kOldestServer = 150000;
constexpr std::uint32_t kTextArrayOid = 1009;

// What a server may answer to a prepared statement and its name. The last of them: a table has
// other columns by now.
constexpr const char* kNameTaken = "42P05";
constexpr const char* kNotPrepared = "26000";
constexpr const char* kResultChanged = "0A000";

struct OptionsDeleter {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, OptionsDeleter>;

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!space) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

// The beginning of a statement, cut between characters.
std::string beginning(std::string_view sql) {
  constexpr std::size_t kShown = 80;
  std::string line = one_line(sql);
  if (line.size() <= kShown) return line;
  std::size_t cut = kShown;
  while (cut > 0 && (static_cast<unsigned char>(line[cut]) & 0xC0) == 0x80) --cut;
  return line.substr(0, cut) + "…";
}

ErrorKind kind_of(std::string_view sqlstate) {
  if (sqlstate.empty()) return ErrorKind::kUnavailable;  // libpq's own: the connection is gone
  if (sqlstate == "57014") return ErrorKind::kCancelled;
  const std::string_view group = sqlstate.substr(0, 2);
  if (group == "22" || group == "42" || group == "54") return ErrorKind::kInvalidArgument;
  if (group == "23") return ErrorKind::kConflict;
  if (group == "0A") return ErrorKind::kUnsupported;
  if (group == "08" || group == "53" || group == "57" || group == "40") {
    return ErrorKind::kUnavailable;
  }
  return ErrorKind::kInternal;
}

std::string field(const PGresult* result, int code) {
  const char* text = result == nullptr ? nullptr : PQresultErrorField(result, code);
  return text == nullptr ? "" : one_line(text);
}

void blot_out(std::string& text, std::string_view secret) {
  if (secret.empty()) return;
  for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3) {
    text.replace(at, secret.size(), "***");
  }
}

Options parse(const std::string& url) {
  char* message = nullptr;
  Options options(PQconninfoParse(url.c_str(), &message));
  // libpq's message quotes the string, password and all: so ours doesn't.
  if (message != nullptr) PQfreemem(message);
  if (options == nullptr) {
    throw Error(ErrorKind::kInvalidArgument,
                "connecting to PostgreSQL: the connection string cannot be read; expected "
                "postgresql://user@host:port/database or host=… dbname=… user=…");
  }
  return options;
}

// Parameters as libpq takes them. They point into what was bound.
struct Bound {
  std::vector<Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths, formats;

  explicit Bound(const std::vector<Param>& params) {
    for (const auto& param : params) {
      types.push_back(param.oid);
      values.push_back(param.bytes ? param.bytes->c_str() : nullptr);
      lengths.push_back(param.bytes ? static_cast<int>(param.bytes->size()) : 0);
      formats.push_back(param.binary ? 1 : 0);
    }
  }
  int count() const { return static_cast<int>(types.size()); }
};

}  // namespace

SplitUrl split_password(const std::string& url) {
  SplitUrl split;
  const Options options = parse(url);
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view keyword = option->keyword;
    if (keyword == "password") {
      split.password = option->val;
      continue;
    }
    if (keyword == "sslpassword") continue;
    std::string value;
    for (const char* c = option->val; *c != '\0'; ++c) {
      if (*c == '\'' || *c == '\\') value += '\\';
      value += *c;
    }
    split.rest += fmt::format("{}{}='{}'", split.rest.empty() ? "" : " ", keyword, value);
  }
  return split;
}

Param Param::real(double value) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return Param::text(std::string(text, end));
}

Param Param::halfvec(std::span<const float> values) {
  std::string bytes;
  append_halfvec(bytes, values);
  return {std::move(bytes), 0, true};
}

Param Param::text_array(const std::vector<std::string>& values) {
  std::string bytes;
  append_text_array(bytes, values);
  return {std::move(bytes), kTextArrayOid, true};
}

Result::Result(pg_result* result) : result_(result) {}
void Result::Deleter::operator()(pg_result* result) const noexcept { PQclear(result); }
int Result::rows() const { return PQntuples(result_.get()); }
int Result::cols() const { return PQnfields(result_.get()); }

bool Result::is_null(int row, int col) const {
  assert(row < rows() && col < cols());
  return PQgetisnull(result_.get(), row, col) != 0;
}

std::string_view Result::text(int row, int col) const {
  assert(row < rows() && col < cols());
  return {PQgetvalue(result_.get(), row, col),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, col))};
}

std::int64_t Result::number(int row, int col) const {
  const auto digits = text(row, col);
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code != std::errc() || end != digits.data() + digits.size()) {
    throw Error(ErrorKind::kInternal,
                fmt::format("reading column {} of a result: found \"{}\", expected a whole number",
                            column(col), digits));
  }
  return value;
}

double Result::real(int row, int col) const {
  const auto digits = text(row, col);
  if (digits == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (digits == "Infinity") return std::numeric_limits<double>::infinity();
  if (digits == "-Infinity") return -std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code != std::errc() || end != digits.data() + digits.size()) {
    throw Error(ErrorKind::kInternal,
                fmt::format("reading column {} of a result: found \"{}\", expected a number",
                            column(col), digits));
  }
  return value;
}

std::string Result::bytes(int row, int col) const {
  std::size_t size = 0;
  // Text results end in a zero byte, which PQunescapeBytea relies on.
  const auto* escaped = reinterpret_cast<const unsigned char*>(text(row, col).data());
  unsigned char* plain = PQunescapeBytea(escaped, &size);
  if (plain == nullptr) throw std::bad_alloc();
  std::string bytes(reinterpret_cast<const char*>(plain), size);
  PQfreemem(plain);
  return bytes;
}

std::string Result::column(int col) const {
  const char* name = PQfname(result_.get(), col);
  return name == nullptr ? "" : name;
}

std::uint32_t Result::type(int col) const { return PQftype(result_.get(), col); }

std::int64_t Result::affected() const {
  const std::string_view digits = PQcmdTuples(result_.get());
  std::int64_t count = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), count);
  return count;
}

void Connection::Deleter::operator()(pg_conn* connection) const noexcept { PQfinish(connection); }

Connection::Connection(const std::string& url) {
  const Options options = parse(url);
  std::string host, database, user;
  std::vector<std::string> secrets;
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view keyword = option->keyword;
    if (keyword == "host") host = option->val;
    if (keyword == "dbname") database = option->val;
    if (keyword == "user") user = option->val;
    if (keyword == "password" || keyword == "sslpassword") secrets.emplace_back(option->val);
  }

  const char* keywords[] = {"client_encoding", "fallback_application_name", "dbname", nullptr};
  const char* values[] = {"UTF8", "pgmmr", url.c_str(), nullptr};
  connection_.reset(PQconnectdbParams(keywords, values, 1));
  if (connection_ == nullptr) throw std::bad_alloc();
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    std::string message = one_line(PQerrorMessage(connection_.get()));
    for (const auto& secret : secrets) blot_out(message, secret);
    throw Error(ErrorKind::kUnavailable,
                fmt::format("connecting to PostgreSQL{}{}: {}", host.empty() ? "" : " at " + host,
                            database.empty() ? "" : ", database " + database, message));
  }
  // Only app/ and server/ print; errors carry what matters.
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
  const int version = PQserverVersion(connection_.get());
  if (version < kOldestServer) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("connecting to PostgreSQL{}: found version {}.{}, expected 15 or newer",
                            host.empty() ? "" : " at " + host, version / 10000, version % 10000));
  }
}

bool Connection::alive() const { return PQstatus(connection_.get()) == CONNECTION_OK; }

void Connection::fail(const pg_result* result, std::string_view sql) {
  last_error_.sqlstate = field(result, PG_DIAG_SQLSTATE);
  last_error_.message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  if (last_error_.message.empty()) {
    last_error_.message = one_line(PQerrorMessage(connection_.get()));
  }
  const std::string detail = field(result, PG_DIAG_MESSAGE_DETAIL);
  const std::string hint = field(result, PG_DIAG_MESSAGE_HINT);
  throw Error(
      kind_of(last_error_.sqlstate),
      fmt::format("database: {}{}{} (SQLSTATE {}; statement: {})", last_error_.message,
                  detail.empty() ? "" : ": " + detail, hint.empty() ? "" : "; " + hint,
                  last_error_.sqlstate.empty() ? "none" : last_error_.sqlstate, beginning(sql)));
}

Result Connection::execute(const std::string& sql, const std::vector<Param>& params) {
  check(params, sql);
  const Bound bound(params);
  return checked(
      Result(PQexecParams(connection_.get(), sql.c_str(), bound.count(), bound.types.data(),
                          bound.values.data(), bound.lengths.data(), bound.formats.data(), 0)),
      sql);
}

Result Connection::execute_prepared(const std::string& sql, const std::vector<Param>& params) {
  const auto [found, is_new] = repeated_.try_emplace(sql);
  Repeated& repeated = found->second;
  if (is_new || repeated.state == Repeated::kNever ||
      PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) {
    return execute(sql, params);
  }
  check(params, sql);
  const Bound bound(params);
  if (repeated.state == Repeated::kSeen) {
    // Named after its text: a session that others have used knows no other statement by that name.
    repeated.name = "pgmmr_" + sha256_hex(sql).substr(0, 16);
    const Result made(PQprepare(connection_.get(), repeated.name.c_str(), sql.c_str(),
                                bound.count(), bound.types.data()));
    const bool known = PQresultStatus(made.raw()) == PGRES_COMMAND_OK ||
                       field(made.raw(), PG_DIAG_SQLSTATE) == kNameTaken;
    repeated.state = known ? Repeated::kPrepared : Repeated::kNever;
    if (!known) return execute(sql, params);
  }
  Result result(PQexecPrepared(connection_.get(), repeated.name.c_str(), bound.count(),
                               bound.values.data(), bound.lengths.data(), bound.formats.data(), 0));
  const std::string sqlstate = field(result.raw(), PG_DIAG_SQLSTATE);
  if (sqlstate != kNotPrepared && sqlstate != kResultChanged) {
    return checked(std::move(result), sql);
  }
  repeated.state = Repeated::kNever;
  return execute(sql, params);
}

void Connection::check(const std::vector<Param>& params, std::string_view sql) {
  for (const auto& param : params) {
    // A text parameter ends at its first zero byte: better refused than cut.
    if (!param.bytes || param.binary || param.bytes->find('\0') == std::string::npos) continue;
    last_error_ = {"22021", "a text parameter holds a zero byte"};
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("database: a text parameter holds a zero byte, which PostgreSQL's "
                            "text cannot (statement: {})",
                            beginning(sql)));
  }
}

Result Connection::checked(Result result, std::string_view sql) {
  const auto status = PQresultStatus(result.raw());
  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) return result;
  if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
    throw Error(ErrorKind::kInternal, "database: COPY through execute(): " + beginning(sql));
  }
  fail(result.raw(), sql);
}

void Connection::run_script(const std::string& sql) {
  const Result result(PQexec(connection_.get(), sql.c_str()));
  const auto status = PQresultStatus(result.raw());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
    fail(result.raw(), sql);
  }
}

void Connection::copy_in(const std::string& sql, std::string_view data) {
  const Result start(PQexec(connection_.get(), sql.c_str()));
  if (PQresultStatus(start.raw()) != PGRES_COPY_IN) fail(start.raw(), sql);
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  bool sent = true;
  while (sent && !data.empty()) {
    const auto block = data.substr(0, kBlock);
    sent = PQputCopyData(connection_.get(), block.data(), static_cast<int>(block.size())) == 1;
    data.remove_prefix(block.size());
  }
  if (sent) sent = PQputCopyEnd(connection_.get(), nullptr) == 1;
  // The answer is read in any case: it says why the server stopped listening.
  const Result end(PQgetResult(connection_.get()));
  while (PGresult* rest = PQgetResult(connection_.get())) PQclear(rest);
  if (!sent || PQresultStatus(end.raw()) != PGRES_COMMAND_OK) fail(end.raw(), sql);
}

std::string Connection::quote_identifier(std::string_view name) {
  char* quoted = PQescapeIdentifier(connection_.get(), name.data(), name.size());
  if (quoted == nullptr) {
    throw Error(ErrorKind::kInvalidArgument,
                "quoting a name for the database: " + one_line(PQerrorMessage(connection_.get())));
  }
  std::string text = quoted;
  PQfreemem(quoted);
  return text;
}

std::string Connection::quote_literal(std::string_view text) {
  char* quoted = PQescapeLiteral(connection_.get(), text.data(), text.size());
  if (quoted == nullptr) {
    throw Error(ErrorKind::kInvalidArgument,
                "quoting a text for the database: " + one_line(PQerrorMessage(connection_.get())));
  }
  std::string literal = quoted;
  PQfreemem(quoted);
  return literal;
}

Transaction::Transaction(Connection& connection) : connection_(connection) {
  connection_.execute("BEGIN");
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    connection_.execute("ROLLBACK");
  } catch (const Error&) {
    // The connection is gone, and the server rolls back by itself.
  }
}

void Transaction::commit() {
  // A COMMIT of a failed transaction answers ROLLBACK and no error: that must not pass as done.
  const Result result = connection_.execute("COMMIT");
  open_ = false;
  if (std::string_view(PQcmdStatus(result.raw())) != "COMMIT") {
    throw Error(ErrorKind::kInternal,
                "database: COMMIT rolled back, because a statement before it had failed");
  }
}

}  // namespace pgmmr
