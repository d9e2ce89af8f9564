// DuckDB behind two types that own their handles: SQL in, rows of plain values out.
//
// A session is a database of its own, in memory or in a file. Opening one takes about 15 ms, so a
// reader opens one per chunk: readers share nothing, and a file that breaks DuckDB's invariants
// (after which an instance answers nothing any more) cannot spoil the next chunk.
// Only the stable part of the C API is used (DuckDB 1.2 or newer).
#pragma once

#include <duckdb.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pgmmr {

// A column's type as DuckDB knows it.
struct DuckdbType {
  duckdb_type id = DUCKDB_TYPE_INVALID;
  std::string alias;                     // "JSON" for VARCHAR that holds JSON
  std::vector<DuckdbType> children;      // of STRUCT each, of LIST and ARRAY the one
  std::vector<std::string> child_names;  // of STRUCT
};

struct DuckdbColumn {
  std::string name;
  DuckdbType type;
};

// One row of a result, valid during the callback that got it.
class DuckdbRow {
 public:
  bool is_null(std::size_t column) const;
  std::int64_t integer(std::size_t column) const;            // BOOLEAN to BIGINT, DATE, TIMESTAMP
  double real(std::size_t column) const;                     // FLOAT, DOUBLE
  std::string_view bytes(std::size_t column) const;          // VARCHAR, BLOB
  std::vector<std::string> texts(std::size_t column) const;  // VARCHAR[], NULLs left out

 private:
  friend class DuckdbSession;
  struct Vector {
    duckdb_type type;
    duckdb_vector vector;
    void* data;
    std::uint64_t* validity;
  };
  const std::vector<Vector>* vectors_ = nullptr;
  std::uint64_t row_ = 0;
};

// For one thread at a time.
class DuckdbSession {
 public:
  struct Settings {
    std::string about;               // what is being read, for messages
    std::filesystem::path database;  // a file for what outgrows memory; empty for none
    std::filesystem::path folder;    // the only folder whose files SQL can open; empty for any
  };
  explicit DuckdbSession(const Settings& settings);
  ~DuckdbSession();
  DuckdbSession(const DuckdbSession&) = delete;
  DuckdbSession& operator=(const DuckdbSession&) = delete;

  // Another connection to the same database, for another thread.
  std::unique_ptr<DuckdbSession> another() const;

  // Runs one statement, then calls back for each row, in order. The whole result is in memory:
  // streaming is deprecated in the C API.
  //   throws  Error: kCorrupt for a file that breaks its format's rules, kNotFound for one that
  //           isn't there, kInvalidArgument for wrong SQL, kUnavailable for memory and I/O
  void query(const std::string& sql, const std::function<void(const DuckdbRow&)>& found = {});

  // Names and types of a query's columns.
  std::vector<DuckdbColumn> describe(const std::string& sql);

  // True where the text is exactly one statement, and that a SELECT.
  bool is_single_select(const std::string& sql);

  bool has_json();  // to_json() is there

 private:
  [[noreturn]] void fail(duckdb_error_type type, const char* message) const;

  DuckdbSession() = default;
  void connect();

  std::string about_;
  std::shared_ptr<_duckdb_database> database_;
  duckdb_connection connection_ = nullptr;
};

std::string duckdb_literal(std::string_view text);       // 'it''s'
std::string duckdb_file_literal(std::string_view path);  // likewise, with * ? [ taken literally

}  // namespace pgmmr
