#include "dataset/table.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/file.h"
#include "dataset/caption_columns.h"
#include "dataset/chunk_cutter.h"
#include "dataset/chunk_payload.h"
#include "dataset/clean_text.h"
#include "dataset/picture_place.h"
#include "dataset/value_text.h"

namespace pgmmr {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kPageRows = 64;  // read at once while planning: rows may hold pictures

// The table: what relation_select() lists, then the file's place and what is wrong with the row.
constexpr const char* kTable = "source_rows";

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// How DuckDB reads a file. Types are sniffed from all rows, not the first 20,480: a column that
// turns from numbers to text later on is text.
std::string reading_of(const fs::path& path) {
  const std::string extension = lower(path.extension().string());
  const std::string file = duckdb_file_literal(path.string());
  if (extension == ".csv") {
    return fmt::format("read_csv({}, header = true, sample_size = -1, store_rejects = true)", file);
  }
  if (extension == ".tsv") {
    return fmt::format(
        "read_csv({}, delim = '\t', header = true, sample_size = -1, store_rejects = true)", file);
  }
  if (extension == ".jsonl" || extension == ".ndjson") {
    return fmt::format(
        "read_json({}, format = 'newline_delimited', sample_size = -1, ignore_errors = true)",
        file);
  }
  return fmt::format("read_json({}, sample_size = -1)", file);
}

bool is_csv(const fs::path& path) {
  const std::string extension = lower(path.extension().string());
  return extension == ".csv" || extension == ".tsv";
}

std::string picture_identity(const Row& row) {
  if (!row.image_bytes.empty()) return sha256_hex(row.image_bytes);
  struct stat status {};
  if (row.image_path.empty() || stat(row.image_path.c_str(), &status) != 0) return row.problem;
  return fmt::format("{} {} {}.{:09}", row.image_path, status.st_size,
                     static_cast<std::int64_t>(status.st_mtim.tv_sec), status.st_mtim.tv_nsec);
}

}  // namespace

struct TableDataset::Scratch {
  fs::path folder;
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "pgmmr-rows-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
      throw Error(ErrorKind::kUnavailable,
                  "reading a table: no temporary folder can be made below " +
                      fs::temp_directory_path().string());
    }
    folder = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

TableDataset::TableDataset(std::string source, std::vector<fs::path> files,
                           const SourceOptions& options)
    : source_(std::move(source)), options_(options), files_(std::move(files)) {
  std::vector<std::string> relations;
  for (const fs::path& file : files_) {
    if (fs::file_size(file) == 0) {
      throw Error(ErrorKind::kCorrupt, file.string() + ": the file is empty");
    }
    relations.push_back("SELECT * FROM " + reading_of(file));
  }
  load(relations);
}

TableDataset::TableDataset(const std::string& sql, const SourceOptions& options)
    : source_(sql), options_(options) {
  std::string query = sql;
  while (!query.empty() &&
         (std::isspace(static_cast<unsigned char>(query.back())) != 0 || query.back() == ';')) {
    query.pop_back();
  }
  load({query});
}

TableDataset::~TableDataset() = default;

void TableDataset::load(const std::vector<std::string>& relations) {
  scratch_ = std::make_unique<Scratch>();
  const std::string about = files_.empty() ? "the query" : source_;
  session_ = std::make_unique<DuckdbSession>(DuckdbSession::Settings{
      .about = about, .database = scratch_->folder / "rows.duckdb", .folder = {}});
  has_json_ = session_->has_json();
  if (files_.empty() && !session_->is_single_select(relations.front())) {
    throw Error(ErrorKind::kInvalidArgument, "the query: expected a single SELECT");
  }
  const auto described = session_->describe(relations.front());
  relation_ = plan_relation(about, described, options_.key_column, has_json_);
  if (relation_.key.empty()) {
    const auto candidates = key_candidates(described);
    if (!candidates.empty()) {
      relation_.key = candidates.front();
    } else if (relation_.picture_kind == PictureKind::kPath) {
      relation_.key = relation_.picture;
    }
  }
  columns_ = relation_.plain_columns();
  for (std::size_t i = 0; i < relations.size(); ++i) append(i, relations[i]);
  settle_keys();
}

void TableDataset::append(std::size_t file, const std::string& relation) {
  const std::string about = files_.empty() ? "the query" : files_[file].string();
  const auto described = session_->describe(relation);
  const std::string select = relation_select(
      about, relation_, described, fmt::format("{} + row_number() OVER () - 1", rows_), has_json_);
  std::string rows = fmt::format("SELECT {}, {}, CAST(NULL AS VARCHAR) FROM ({}\n) AS t({})",
                                 select, file, relation, column_aliases(described.size()));
  if (options_.limit)
    rows += fmt::format(" LIMIT {}", std::max<std::int64_t>(0, *options_.limit - rows_));
  std::size_t width = 6;  // number, bytes, path, key, file, problem
  for (const RelationColumn& column : relation_.columns)
    width += column.label_names.empty() ? 1 : 0;
  if (file == 0) {
    session_->query(fmt::format("CREATE TABLE {} AS SELECT * FROM ({}) AS t({})", kTable, rows,
                                column_aliases(width)));
  } else {
    session_->query(fmt::format("INSERT INTO {} {}", kTable, rows));
  }
  const auto count = [&] {
    session_->query(fmt::format("SELECT count(*) FROM {}", kTable),
                    [&](const DuckdbRow& row) { rows_ = row.integer(0); });
  };
  count();
  if (!files_.empty() && is_csv(files_[file])) append_broken_lines(file);
  count();
}

// Lines that DuckDB left out of a CSV, as rows with a problem.
void TableDataset::append_broken_lines(std::size_t file) {
  const std::size_t problem =
      5 + static_cast<std::size_t>(
              std::count_if(relation_.columns.begin(), relation_.columns.end(),
                            [](const RelationColumn& c) { return c.label_names.empty(); }));
  session_->query(fmt::format(
      "INSERT INTO {0} (c0, c{1}, c{2}) SELECT {3} + row_number() OVER (ORDER BY line) - 1, {4}, "
      "'line ' || line || ': ' || error FROM (SELECT line, any_value(error_message) AS error "
      "FROM reject_errors WHERE scan_id = (SELECT max(scan_id) FROM reject_scans) GROUP BY "
      "line){5}",
      kTable, problem - 1, problem, rows_, file,
      options_.limit ? fmt::format(" LIMIT {}", std::max<std::int64_t>(0, *options_.limit - rows_))
                     : ""));
}

// Decides whether the key column identifies rows. Where the user named it, rows that it doesn't
// identify get a problem; where it was our guess, rows are known by their place instead.
void TableDataset::settle_keys() {
  if (relation_.key.empty()) return;
  const std::string problem = fmt::format(
      "c{}", 5 + std::count_if(relation_.columns.begin(), relation_.columns.end(),
                               [](const RelationColumn& c) { return c.label_names.empty(); }));
  is_keyed_ = true;
  if (options_.key_column.empty()) {
    session_->query(fmt::format("SELECT count(*) = count(c3) AND count(*) = count(DISTINCT c3) AND "
                                "count(*) = count(nullif(c3, '')) FROM {} WHERE {} IS NULL",
                                kTable, problem),
                    [&](const DuckdbRow& row) { is_keyed_ = row.integer(0) != 0; });
    return;
  }
  session_->query(
      fmt::format("UPDATE {0} SET {1} = 'no key: its column is null' "
                  "WHERE nullif(c3, '') IS NULL AND {1} IS NULL",
                  kTable, problem));
  session_->query(fmt::format(
      "UPDATE {0} SET {1} = 'the key ' || c3 || ' belongs to an earlier row' WHERE {1} IS NULL AND "
      "c0 IN (SELECT c0 FROM (SELECT c0, row_number() OVER (PARTITION BY c3 ORDER BY c0) AS place "
      "FROM {0} WHERE c3 IS NOT NULL) WHERE place > 1)",
      kTable, problem));
}

std::vector<std::string> TableDataset::default_captions() const {
  // The column of paths is no caption, though it may be called image_name.
  std::vector<Column> columns;
  for (const RelationColumn& column : relation_.columns) {
    if (column.source_name != relation_.picture) columns.push_back(column.column);
  }
  return caption_columns(columns);
}

void TableDataset::read_rows(
    DuckdbSession& session, Range range,
    const std::function<void(Row, const std::string& identity)>& found) const {
  std::size_t stored = 4;
  for (const RelationColumn& column : relation_.columns)
    stored += column.label_names.empty() ? 1 : 0;
  session.query(
      fmt::format("SELECT {} FROM {} WHERE c0 BETWEEN {} AND {} ORDER BY c0",
                  column_aliases(stored + 2), kTable, range.first, range.first + range.rows - 1),
      [&](const DuckdbRow& from) {
        RelationRow read = relation_row(relation_, from);
        const auto file = from.is_null(stored) ? 0 : static_cast<std::size_t>(from.integer(stored));
        const std::string name = files_.empty() ? "row" : files_[file].filename().string();
        const std::string place = bounded_key(fmt::format("{}#{}", clean_text(name), read.number));
        Row row;
        row.values = std::move(read.values);
        if (!from.is_null(stored + 1)) row.problem = clean_text(from.bytes(stored + 1));
        const bool has_key = is_keyed_ && row.problem.empty() && read.key && !read.key->empty();
        row.key = has_key ? bounded_key(*read.key) : place;
        if (row.problem.empty()) {
          const fs::path folder = files_.empty() ? fs::current_path() : files_[file].parent_path();
          place_picture(std::move(read), folder, files_.empty(), row);
        }
        std::string identity = picture_identity(row);
        for (const Value& value : row.values) identity += framed(value_identity(value));
        found(std::move(row), identity);
      });
}

void TableDataset::chunks(const std::function<void(Chunk)>& found, std::stop_token stop) const {
  const auto session = session_->another();
  ChunkCutter cutter("table 1");
  std::map<std::string, Range> planned;
  std::vector<Chunk> page;
  Range range;
  const auto finish = [&] {
    range.rows = cutter.rows();
    RangePayload payload;
    payload.first = range.first;
    payload.rows = range.rows;
    page.push_back({cutter.finish(), to_json(payload), range.rows});
    {
      const std::lock_guard lock(mutex_);
      planned_[page.back().id] = range;
    }
    range.first += range.rows;
  };
  for (std::int64_t first = 0; first < rows_; first += kPageRows) {
    if (stop.stop_requested()) {
      throw Error(ErrorKind::kCancelled, source_ + ": stopped while listing");
    }
    read_rows(*session, {first, kPageRows}, [&](const Row& row, const std::string& identity) {
      if (cutter.add(row.key, sha256_hex(identity))) finish();
    });
    if (first + kPageRows >= rows_ && cutter.rows() > 0) finish();
    for (Chunk& chunk : page) found(std::move(chunk));
    page.clear();
  }
}

// A chunk is found by its id, not by the place in its payload: the ledger may hold it from a time
// when the table had other rows in front of it.
void TableDataset::read(const Chunk& chunk, const std::function<void(Row)>& found) const {
  const auto find = [&]() -> std::optional<Range> {
    const std::lock_guard lock(mutex_);
    const auto place = planned_.find(chunk.id);
    if (place == planned_.end()) return std::nullopt;
    return place->second;
  };
  std::optional<Range> range = find();
  if (!range) {
    chunks([](const Chunk&) {}, {});
    range = find();
  }
  if (!range) {
    throw Error(ErrorKind::kNotFound,
                source_ + ": changed since its rows were listed; start the ingest again");
  }
  read_rows(*session_->another(), *range,
            [&](Row row, const std::string&) { found(std::move(row)); });
}

}  // namespace pgmmr
