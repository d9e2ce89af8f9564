#include "dataset/duckdb_session.h"

#include <fmt/format.h>

#include "base/error.h"
#include "dataset/clean_text.h"

namespace pgmmr {
namespace {

// What a chunk's rows may take while they are read; a page that some writers make (DuckDB: 128 MB)
// must fit twice.
constexpr const char* kMemoryLimit = "2GB";

struct ConfigDeleter {
  void operator()(_duckdb_config* config) const noexcept {
    duckdb_config handle = config;
    duckdb_destroy_config(&handle);
  }
};
using Config = std::unique_ptr<_duckdb_config, ConfigDeleter>;

struct DatabaseCloser {
  void operator()(_duckdb_database* database) const noexcept {
    duckdb_database handle = database;
    duckdb_close(&handle);
  }
};

struct Result {
  duckdb_result handle{};
  Result() = default;
  ~Result() { duckdb_destroy_result(&handle); }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
};

struct DataChunkDeleter {
  void operator()(_duckdb_data_chunk* chunk) const noexcept {
    duckdb_data_chunk handle = chunk;
    duckdb_destroy_data_chunk(&handle);
  }
};
using DataChunk = std::unique_ptr<_duckdb_data_chunk, DataChunkDeleter>;

struct LogicalTypeDeleter {
  void operator()(_duckdb_logical_type* type) const noexcept {
    duckdb_logical_type handle = type;
    duckdb_destroy_logical_type(&handle);
  }
};
using LogicalType = std::unique_ptr<_duckdb_logical_type, LogicalTypeDeleter>;

struct TextDeleter {
  void operator()(char* text) const noexcept { duckdb_free(text); }
};
using Text = std::unique_ptr<char, TextDeleter>;

DuckdbType describe_type(duckdb_logical_type handle) {
  DuckdbType type;
  type.id = duckdb_get_type_id(handle);
  if (const Text alias(duckdb_logical_type_get_alias(handle)); alias) type.alias = alias.get();
  if (type.id == DUCKDB_TYPE_LIST) {
    const LogicalType child(duckdb_list_type_child_type(handle));
    type.children.push_back(describe_type(child.get()));
  } else if (type.id == DUCKDB_TYPE_ARRAY) {
    const LogicalType child(duckdb_array_type_child_type(handle));
    type.children.push_back(describe_type(child.get()));
  } else if (type.id == DUCKDB_TYPE_STRUCT) {
    for (idx_t i = 0; i < duckdb_struct_type_child_count(handle); ++i) {
      const Text name(duckdb_struct_type_child_name(handle, i));
      const LogicalType child(duckdb_struct_type_child_type(handle, i));
      type.child_names.emplace_back(name ? name.get() : "");
      type.children.push_back(describe_type(child.get()));
    }
  }
  return type;
}

// DuckDB's messages run over several lines (candidates, a caret under the SQL); the first says it.
std::string first_line(const char* message) {
  const std::string text = clean_text(message == nullptr ? "no reason given" : message);
  return text.substr(0, text.find('\n'));
}

}  // namespace

bool DuckdbRow::is_null(std::size_t column) const {
  return !duckdb_validity_row_is_valid((*vectors_)[column].validity, row_);
}

std::int64_t DuckdbRow::integer(std::size_t column) const {
  const Vector& vector = (*vectors_)[column];
  switch (vector.type) {
    case DUCKDB_TYPE_BOOLEAN:
      return static_cast<const bool*>(vector.data)[row_] ? 1 : 0;
    case DUCKDB_TYPE_TINYINT:
      return static_cast<const std::int8_t*>(vector.data)[row_];
    case DUCKDB_TYPE_SMALLINT:
      return static_cast<const std::int16_t*>(vector.data)[row_];
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
      return static_cast<const std::int32_t*>(vector.data)[row_];
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return static_cast<const std::int64_t*>(vector.data)[row_];
    default:
      throw Error(ErrorKind::kInternal,
                  fmt::format("reading a DuckDB value: column {} has type {}, expected an integer",
                              column, static_cast<int>(vector.type)));
  }
}

double DuckdbRow::real(std::size_t column) const {
  const Vector& vector = (*vectors_)[column];
  if (vector.type == DUCKDB_TYPE_FLOAT) return static_cast<const float*>(vector.data)[row_];
  if (vector.type == DUCKDB_TYPE_DOUBLE) return static_cast<const double*>(vector.data)[row_];
  throw Error(ErrorKind::kInternal,
              fmt::format("reading a DuckDB value: column {} has type {}, expected a float", column,
                          static_cast<int>(vector.type)));
}

std::string_view DuckdbRow::bytes(std::size_t column) const {
  const Vector& vector = (*vectors_)[column];
  if (vector.type != DUCKDB_TYPE_VARCHAR && vector.type != DUCKDB_TYPE_BLOB) {
    throw Error(ErrorKind::kInternal,
                fmt::format("reading a DuckDB value: column {} has type {}, expected text", column,
                            static_cast<int>(vector.type)));
  }
  auto* text = static_cast<duckdb_string_t*>(vector.data) + row_;
  return {duckdb_string_t_data(text), duckdb_string_t_length(*text)};
}

std::vector<std::string> DuckdbRow::texts(std::size_t column) const {
  const Vector& vector = (*vectors_)[column];
  if (vector.type != DUCKDB_TYPE_LIST) {
    throw Error(ErrorKind::kInternal,
                fmt::format("reading a DuckDB value: column {} has type {}, expected a list",
                            column, static_cast<int>(vector.type)));
  }
  const auto entry = static_cast<const duckdb_list_entry*>(vector.data)[row_];
  const duckdb_vector child = duckdb_list_vector_get_child(vector.vector);
  auto* data = static_cast<duckdb_string_t*>(duckdb_vector_get_data(child));
  std::uint64_t* validity = duckdb_vector_get_validity(child);
  std::vector<std::string> texts;
  for (idx_t i = entry.offset; i < entry.offset + entry.length; ++i) {
    if (!duckdb_validity_row_is_valid(validity, i)) continue;
    texts.emplace_back(duckdb_string_t_data(data + i), duckdb_string_t_length(data[i]));
  }
  return texts;
}

DuckdbSession::DuckdbSession(const Settings& settings) : about_(settings.about) {
  duckdb_config handle = nullptr;
  if (duckdb_create_config(&handle) != DuckDBSuccess) {
    throw Error(ErrorKind::kUnavailable, about_ + ": DuckDB cannot be configured");
  }
  const Config config(handle);
  // A name that this DuckDB doesn't know is left out: the list is for DuckDB 1.2 to 1.4.
  const std::string temporary =
      settings.database.empty() ? "" : settings.database.string() + ".spill";
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"autoinstall_known_extensions", "false"},
           {"autoload_known_extensions", "false"},
           {"allow_community_extensions", "false"},
           {"allow_persistent_secrets", "false"},
           {"enable_external_file_cache", "false"},  // would keep files' bytes against the limit
           {"threads", "1"},                         // callers bring their own
           {"memory_limit", kMemoryLimit},
           {"temp_directory", temporary.c_str()}}) {
    duckdb_set_config(config.get(), name, value);
  }
  char* message = nullptr;
  const std::string database = settings.database.string();
  duckdb_database opened = nullptr;
  if (duckdb_open_ext(database.empty() ? nullptr : database.c_str(), &opened, config.get(),
                      &message) != DuckDBSuccess) {
    const Text owned(message);
    throw Error(ErrorKind::kUnavailable,
                about_ + ": DuckDB cannot be opened: " + first_line(message));
  }
  database_ = {opened, DatabaseCloser{}};
  connect();
  try {
    if (!settings.folder.empty()) {
      query("SET allowed_directories=[" + duckdb_literal(settings.folder.string()) + "]");
      query("SET enable_external_access=false");
    }
    query("SET lock_configuration=true");
  } catch (...) {
    duckdb_disconnect(&connection_);
    throw;
  }
}

DuckdbSession::~DuckdbSession() { duckdb_disconnect(&connection_); }

void DuckdbSession::connect() {
  if (duckdb_connect(database_.get(), &connection_) != DuckDBSuccess) {
    throw Error(ErrorKind::kUnavailable, about_ + ": DuckDB takes no connection");
  }
}

std::unique_ptr<DuckdbSession> DuckdbSession::another() const {
  std::unique_ptr<DuckdbSession> session(new DuckdbSession());
  session->about_ = about_;
  session->database_ = database_;
  session->connect();
  return session;
}

void DuckdbSession::query(const std::string& sql,
                          const std::function<void(const DuckdbRow&)>& found) {
  Result result;
  if (duckdb_query(connection_, sql.c_str(), &result.handle) != DuckDBSuccess) {
    fail(duckdb_result_error_type(&result.handle), duckdb_result_error(&result.handle));
  }
  if (!found) return;
  while (const DataChunk chunk{duckdb_fetch_chunk(result.handle)}) {
    std::vector<DuckdbRow::Vector> vectors(duckdb_data_chunk_get_column_count(chunk.get()));
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      const duckdb_vector vector = duckdb_data_chunk_get_vector(chunk.get(), i);
      vectors[i] = {duckdb_column_type(&result.handle, i), vector, duckdb_vector_get_data(vector),
                    duckdb_vector_get_validity(vector)};
    }
    DuckdbRow row;
    row.vectors_ = &vectors;
    for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk.get()); ++i) {
      row.row_ = i;
      found(row);
    }
  }
}

std::vector<DuckdbColumn> DuckdbSession::describe(const std::string& sql) {
  Result result;
  const std::string limited = "SELECT * FROM (" + sql + "\n) LIMIT 0";
  if (duckdb_query(connection_, limited.c_str(), &result.handle) != DuckDBSuccess) {
    fail(duckdb_result_error_type(&result.handle), duckdb_result_error(&result.handle));
  }
  std::vector<DuckdbColumn> columns(duckdb_column_count(&result.handle));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const char* name = duckdb_column_name(&result.handle, i);
    const LogicalType type(duckdb_column_logical_type(&result.handle, i));
    columns[i] = {name == nullptr ? "" : name, describe_type(type.get())};
  }
  return columns;
}

bool DuckdbSession::is_single_select(const std::string& sql) {
  duckdb_extracted_statements statements = nullptr;
  const idx_t count = duckdb_extract_statements(connection_, sql.c_str(), &statements);
  if (count == 0) {
    const std::string why = first_line(duckdb_extract_statements_error(statements));
    duckdb_destroy_extracted(&statements);
    throw Error(ErrorKind::kInvalidArgument, about_ + ": " + why);
  }
  bool is_select = false;
  if (count == 1) {
    duckdb_prepared_statement statement = nullptr;
    if (duckdb_prepare_extracted_statement(connection_, statements, 0, &statement) ==
        DuckDBSuccess) {
      is_select = duckdb_prepared_statement_type(statement) == DUCKDB_STATEMENT_TYPE_SELECT;
    } else {
      const std::string why = first_line(duckdb_prepare_error(statement));
      duckdb_destroy_prepare(&statement);
      duckdb_destroy_extracted(&statements);
      throw Error(ErrorKind::kInvalidArgument, about_ + ": " + why);
    }
    duckdb_destroy_prepare(&statement);
  }
  duckdb_destroy_extracted(&statements);
  return is_select;
}

bool DuckdbSession::has_json() {
  // Asked by use: the list of extensions looks into the home folder, which may be out of bounds.
  try {
    query("SELECT to_json(1)");
    return true;
  } catch (const Error&) {
    return false;
  }
}

void DuckdbSession::fail(duckdb_error_type type, const char* message) const {
  const std::string text = about_ + ": " + first_line(message);
  switch (type) {
    case DUCKDB_ERROR_OUT_OF_MEMORY:
    case DUCKDB_ERROR_PERMISSION:
    case DUCKDB_ERROR_INTERRUPT:
      throw Error(ErrorKind::kUnavailable, text);
    case DUCKDB_ERROR_PARSER:
    case DUCKDB_ERROR_BINDER:
    case DUCKDB_ERROR_CATALOG:
    case DUCKDB_ERROR_SYNTAX:
    case DUCKDB_ERROR_MISSING_EXTENSION:
    case DUCKDB_ERROR_AUTOLOAD:
      throw Error(ErrorKind::kInvalidArgument, text);
    case DUCKDB_ERROR_IO:
      if (text.find("No files found") != std::string::npos) {
        throw Error(ErrorKind::kNotFound, text);
      }
      throw Error(ErrorKind::kCorrupt, text);
    default:
      throw Error(ErrorKind::kCorrupt, text);
  }
}

std::string duckdb_literal(std::string_view text) {
  std::string literal = "'";
  for (const char c : text) {
    if (c == '\'') literal += '\'';
    literal += c;
  }
  return literal += '\'';
}

std::string duckdb_file_literal(std::string_view path) {
  std::string pattern;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[') {
      pattern += '[';
      pattern += c;
      pattern += ']';
    } else {
      pattern += c;
    }
  }
  return duckdb_literal(pattern);
}

}  // namespace pgmmr
