#include "dataset/parquet_writer.h"

#include <duckdb.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <map>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "dataset/duckdb_session.h"

namespace pgmmr {
namespace {

constexpr const char* kFunction = "pgmmr_rows";
// 20,000 rows of 512 floats are 40 MB.
constexpr int kRowGroup = 20'000;

struct Database {
  duckdb_database database = nullptr;
  duckdb_connection connection = nullptr;
  Database() {
    if (duckdb_open(nullptr, &database) != DuckDBSuccess ||
        duckdb_connect(database, &connection) != DuckDBSuccess) {
      duckdb_close(&database);
      throw Error(ErrorKind::kUnavailable, "writing Parquet: DuckDB does not start");
    }
  }
  ~Database() {
    duckdb_disconnect(&connection);
    duckdb_close(&database);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void run(const std::string& sql, const std::string& about) {
    duckdb_result result;
    const bool failed = duckdb_query(connection, sql.c_str(), &result) != DuckDBSuccess;
    std::string message;
    if (failed) {
      message = duckdb_result_error(&result);
      std::replace(message.begin(), message.end(), '\n', ' ');
    }
    duckdb_destroy_result(&result);
    if (failed) throw Error(ErrorKind::kUnavailable, about + ": " + message);
  }
};

struct LogicalType {
  duckdb_logical_type handle;
  explicit LogicalType(duckdb_logical_type type) : handle(type) {}
  ~LogicalType() { duckdb_destroy_logical_type(&handle); }
  LogicalType(const LogicalType&) = delete;
  LogicalType& operator=(const LogicalType&) = delete;
};

// What the table function reads; DuckDB's callbacks get it as extra info. No exception may cross
// them: the first one waits here.
struct Feed {
  std::size_t columns = 0;
  const std::function<std::optional<ParquetRow>()>& next;
  std::exception_ptr failure;
};

void bind(duckdb_bind_info info) {
  const auto& feed = *static_cast<Feed*>(duckdb_bind_get_extra_info(info));
  const LogicalType text(duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR));
  const LogicalType real(duckdb_create_logical_type(DUCKDB_TYPE_FLOAT));
  const LogicalType list(duckdb_create_list_type(real.handle));
  for (std::size_t i = 0; i < feed.columns; ++i) {
    duckdb_bind_add_result_column(info, fmt::format("c{}", i).c_str(), text.handle);
  }
  duckdb_bind_add_result_column(info, "e", list.handle);
}

void init(duckdb_init_info info) { duckdb_init_set_max_threads(info, 1); }

void put(duckdb_data_chunk chunk, idx_t at, const Feed& feed, const ParquetRow& row,
         idx_t& list_size) {
  for (std::size_t i = 0; i < feed.columns; ++i) {
    const duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, i);
    const auto& value = row.values.at(i);
    if (value) {
      duckdb_vector_assign_string_element_len(vector, at, value->data(), value->size());
    } else {
      duckdb_vector_ensure_validity_writable(vector);
      duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), at);
    }
  }
  const duckdb_vector list = duckdb_data_chunk_get_vector(chunk, feed.columns);
  const idx_t size = row.embedding.size();
  if (duckdb_list_vector_reserve(list, list_size + size) != DuckDBSuccess ||
      duckdb_list_vector_set_size(list, list_size + size) != DuckDBSuccess) {
    throw Error(ErrorKind::kUnavailable, "writing Parquet: no memory for the embeddings");
  }
  auto* const entries = static_cast<duckdb_list_entry*>(duckdb_vector_get_data(list));
  entries[at] = {list_size, size};
  auto* const values =
      static_cast<float*>(duckdb_vector_get_data(duckdb_list_vector_get_child(list)));
  std::copy(row.embedding.begin(), row.embedding.end(), values + list_size);
  list_size += size;
}

void fill(duckdb_function_info info, duckdb_data_chunk chunk) {
  auto& feed = *static_cast<Feed*>(duckdb_function_get_extra_info(info));
  idx_t rows = 0;
  try {
    idx_t list_size = 0;
    while (rows < duckdb_vector_size()) {
      const auto row = feed.next();
      if (!row) break;
      put(chunk, rows, feed, *row, list_size);
      ++rows;
    }
    duckdb_data_chunk_set_size(chunk, rows);
  } catch (...) {
    feed.failure = std::current_exception();
    duckdb_function_set_error(info, "the rows ended early");
  }
}

void add_function(Database& database, Feed& feed) {
  duckdb_table_function function = duckdb_create_table_function();
  duckdb_table_function_set_name(function, kFunction);
  duckdb_table_function_set_extra_info(function, &feed, nullptr);
  duckdb_table_function_set_bind(function, bind);
  duckdb_table_function_set_init(function, init);
  duckdb_table_function_set_function(function, fill);
  const bool failed =
      duckdb_register_table_function(database.connection, function) != DuckDBSuccess;
  duckdb_destroy_table_function(&function);
  if (failed) throw Error(ErrorKind::kInternal, "writing Parquet: DuckDB takes no table function");
}

std::string quoted(const std::string& name) {
  std::string text = "\"";
  for (const char letter : name) {
    if (letter == '"') text += '"';
    text += letter;
  }
  return text + '"';
}

std::string cast(const std::string& value, const std::string& type) {
  static const std::map<std::string, const char*> kTypes = {
      {"boolean", "BOOLEAN"}, {"smallint", "SMALLINT"},   {"integer", "INTEGER"},
      {"bigint", "BIGINT"},   {"real", "FLOAT"},          {"double precision", "DOUBLE"},
      {"date", "DATE"},       {"timestamp", "TIMESTAMP"}, {"timestamptz", "TIMESTAMPTZ"},
      {"jsonb", "JSON"}};
  if (type == "bytea") return "unhex(" + value + ")";
  if (type == "text[]") return "CAST(CAST(" + value + " AS JSON) AS VARCHAR[])";
  const auto found = kTypes.find(type);
  return found == kTypes.end() ? value : fmt::format("CAST({} AS {})", value, found->second);
}

}  // namespace

void write_parquet(const std::filesystem::path& path, const std::vector<ParquetColumn>& columns,
                   const std::function<std::optional<ParquetRow>()>& next) {
  Replacement replacement(path);
  std::string select = "SELECT ";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    select += fmt::format("{} AS {}, ", cast(fmt::format("c{}", i), columns[i].type),
                          quoted(columns[i].name));
  }
  Feed feed{columns.size(), next, nullptr};
  try {
    Database database;
    add_function(database, feed);
    // One thread keeps the rows' order and one row group in memory.
    database.run("SET threads = 1; SET preserve_insertion_order = true", path.string());
    database.run(
        fmt::format("COPY ({}e AS embedding FROM {}()) TO {} (FORMAT parquet, "
                    "COMPRESSION zstd, ROW_GROUP_SIZE {})",
                    select, kFunction, duckdb_literal(replacement.part().string()), kRowGroup),
        path.string() + ": cannot be written");
  } catch (const Error&) {
    if (feed.failure) std::rethrow_exception(feed.failure);
    throw;
  }
  replacement.commit();
}

}  // namespace pgmmr
