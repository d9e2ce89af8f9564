// A source of rows: a folder, Parquet, CSV, JSON lines, a query that DuckDB runs, a dataset of the
// Hugging Face hub.
//
// A source is cut into chunks by a pure function of its contents, and each chunk is read alone: so
// an ingest can be resumed, spread over machines, and run again at no cost where nothing changed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "hub/hub.h"

namespace pgmmr {

enum class ColumnType {  // PostgreSQL's names; what a Value of it holds
  kBoolean,              // bool
  kSmallint,             // int64
  kInteger,              // int64
  kBigint,               // int64
  kReal,                 // double
  kDouble,               // double
  kNumeric,              // string, decimal digits
  kText,                 // string, UTF-8
  kDate,                 // int64, days since 1970-01-01
  kTimestamp,            // int64, microseconds since 1970-01-01 00:00
  kTimestampTz,          // int64, microseconds since 1970-01-01 00:00 UTC
  kBytea,                // string
  kTextArray,            // vector<string>
  kJsonb,                // string, JSON: lists, structs and all else that has no plain type
};

struct Column {
  std::string name;
  ColumnType type = ColumnType::kText;
};

using Value =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::string>>;

struct Row {
  std::string key;  // the row's stable name in its source: relative path, key column, or file and
                    // row number
  std::vector<Value> values;  // one for each of columns()
  std::string image_path;     // a file; empty where the picture came with the row or is missing
  std::string image_bytes;    // the encoded picture, where the source carries it
  std::string
      problem;  // why the row has no picture, where it has none; such a row becomes a reject
};

struct Chunk {
  std::string id;       // SHA-256 over what is in it: the same contents give the same id, changed
                        // contents another
  std::string payload;  // JSON that read() understands, enough to read the chunk without looking at
                        // the others
  std::int64_t rows = 0;  // about how many, for progress
};

struct SourceOptions {
  std::string key_column;             // else key, id, or the row's place
  std::optional<std::int64_t> limit;  // only the first rows
  DownloadProgress on_download = {};  // of a hub's or a URL's files; called from reading threads
};

// Reading is safe from many threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual const std::string& source() const = 0;  // canonical: an absolute path, a URL, hf://…
  virtual const std::vector<Column>& columns() const = 0;  // without the picture's own column
  virtual std::vector<std::string> default_captions()
      const = 0;  // the columns that look like captions

  // Calls back once for each chunk, in order.
  virtual void chunks(const std::function<void(Chunk)>& found, std::stop_token stop) const = 0;

  // Calls back once for each row of the chunk, in order. A row whose picture is missing or a file
  // that is gone is a row with a problem, never an error; memory holds a few rows at a time.
  //   throws  Error{kCorrupt, kNotFound} where the chunk cannot be read at all
  virtual void read(const Chunk& chunk, const std::function<void(Row)>& found) const = 0;
};

// What SOURCE on the command line names.
//   throws  Error{kNotFound, kInvalidArgument, kCorrupt, kUnsupported, kUnavailable}; the message
//   names the source
std::unique_ptr<Dataset> open_dataset(const std::string& source, const SourceOptions& options = {});

}  // namespace pgmmr
