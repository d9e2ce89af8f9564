#include "dataset/parquet.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "dataset/caption_columns.h"
#include "dataset/chunk_cutter.h"
#include "dataset/chunk_payload.h"
#include "dataset/clean_text.h"
#include "dataset/duckdb_session.h"
#include "dataset/picture_place.h"

namespace pgmmr {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kMaxRows = 256;
constexpr std::int64_t kMinRows = 16;
constexpr std::int64_t kChunkBytes = 32 << 20;
constexpr std::uint64_t kPartBytes = 8 << 20;  // of a file that isn't here yet
constexpr int kMaxAttempts = 64;  // to read around a chunk's damaged rows; each takes 15 ms or more

struct RowGroup {
  std::int64_t rows = 0, bytes = 0;
};

std::string from(const fs::path& path) {
  return fmt::format("read_parquet({})", duckdb_file_literal(path.string()));
}

DuckdbSession open_session(const std::string& about, const fs::path& path) {
  return DuckdbSession({.about = about, .database = {}, .folder = path.parent_path()});
}

std::vector<RowGroup> row_groups(DuckdbSession& session, const fs::path& path) {
  std::vector<RowGroup> groups;
  session.query(
      fmt::format("SELECT max(row_group_num_rows), CAST(sum(total_compressed_size) AS BIGINT) "
                  "FROM parquet_metadata({}) GROUP BY row_group_id ORDER BY row_group_id",
                  duckdb_file_literal(path.string())),
      [&](const DuckdbRow& row) {
        if (row.is_null(0) || row.integer(0) <= 0) return;
        groups.push_back({row.integer(0), row.is_null(1) ? 0 : row.integer(1)});
      });
  return groups;
}

std::int64_t count_rows(DuckdbSession& session, const fs::path& path) {
  std::int64_t rows = 0;
  session.query(fmt::format("SELECT CAST(num_rows AS BIGINT) FROM parquet_file_metadata({})",
                            duckdb_file_literal(path.string())),
                [&](const DuckdbRow& row) { rows = row.integer(0); });
  return rows;
}

// Class labels' names, from the key "huggingface" of the file's metadata.
ClassLabels class_labels(DuckdbSession& session, const fs::path& path) {
  ClassLabels labels;
  session.query(
      fmt::format("SELECT value FROM parquet_kv_metadata({}) WHERE key = 'huggingface'::BLOB",
                  duckdb_file_literal(path.string())),
      [&](const DuckdbRow& row) {
        if (row.is_null(0)) return;
        const auto json = nlohmann::json::parse(row.bytes(0), nullptr, false);
        const auto features = nlohmann::json::json_pointer("/info/features");
        if (!json.is_object() || !json.contains(features) || !json[features].is_object()) return;
        for (const auto& [name, feature] : json[features].items()) {
          if (!feature.is_object() || feature.value("/_type"_json_pointer, nlohmann::json()) !=
                                          nlohmann::json("ClassLabel")) {
            continue;
          }
          const auto names = feature.find("names");
          if (names == feature.end() || !names->is_array()) continue;
          auto& list = labels[name];
          for (const auto& label : *names) {
            list.push_back(label.is_string() ? clean_text(label.get_ref<const std::string&>())
                                             : label.dump());
          }
        }
      });
  return labels;
}

std::uint64_t hash_of(std::string_view key) { return std::hash<std::string_view>{}(key); }

}  // namespace

// One chunk's reading: what stays the same while its range is halved around damaged rows.
struct ParquetDataset::Reading {
  const ParquetFile& file;
  const fs::path path;
  const std::unordered_set<std::int64_t> repeated;
  const std::function<void(Row)>& found;
  int attempts = 0;
};

ParquetDataset::ParquetDataset(Input input, const SourceOptions& options)
    : input_(std::move(input)), options_(options) {
  if (input_.files.empty()) {
    throw Error(ErrorKind::kNotFound, input_.source + ": no Parquet files");
  }
  const fs::path path = input_.locate(input_.files.front());
  DuckdbSession session = open_session(input_.source, path);
  const auto described = session.describe("FROM " + from(path));
  const std::string key = options.key_column.empty() ? find_key(described) : options.key_column;
  relation_ =
      plan_relation(input_.source, described, key, session.has_json(), class_labels(session, path));
  columns_ = relation_.plain_columns();
}

// A column that identifies rows though nobody said so: key or id, where no value is missing or
// comes twice. A hub's files aren't all here to tell.
std::string ParquetDataset::find_key(const std::vector<DuckdbColumn>& columns) const {
  if (input_.is_remote) return {};
  std::string files;
  for (const ParquetFile& file : input_.files) {
    files += (files.empty() ? "" : ", ") + duckdb_file_literal(input_.locate(file).string());
  }
  for (const std::string& candidate : key_candidates(columns)) {
    // By place, as elsewhere: a column's name may be anything.
    const auto place = std::find_if(columns.begin(), columns.end(),
                                    [&](const DuckdbColumn& c) { return c.name == candidate; });
    const auto number = place - columns.begin();
    bool is_key = false;
    try {
      DuckdbSession session({.about = input_.source, .database = {}, .folder = {}});
      session.query(fmt::format("SELECT count(*) = count(c{0}) AND count(*) = count(DISTINCT c{0}) "
                                "FROM read_parquet([{1}]) AS t({2})",
                                number, files, column_aliases(columns.size())),
                    [&](const DuckdbRow& row) { is_key = row.integer(0) != 0; });
    } catch (const Error&) {
      // Files that differ, or are damaged: rows are known by their place.
    }
    if (is_key) return candidate;
  }
  return {};
}

std::vector<std::string> ParquetDataset::default_captions() const {
  return caption_columns(columns_);
}

std::string ParquetDataset::identity(const ParquetFile& file, const fs::path& path) const {
  if (!file.identity.empty()) return file.identity;
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    throw Error(ErrorKind::kNotFound, path.string() + ": the file is gone");
  }
  return fmt::format("{} {}.{:09}", status.st_size,
                     static_cast<std::int64_t>(status.st_mtim.tv_sec), status.st_mtim.tv_nsec);
}

std::string ParquetDataset::chunk_id(const std::string& identity,
                                     const std::string& payload) const {
  return sha256_hex("parquet 1" + framed(identity) + framed(payload) + framed(relation_.key));
}

void ParquetDataset::chunks(const std::function<void(Chunk)>& found, std::stop_token stop) const {
  const std::int64_t limit = options_.limit.value_or(std::int64_t{1} << 62);
  std::int64_t planned = 0;
  std::unordered_set<std::uint64_t>
      keys;  // by hash: 8 bytes a row, wrong once in 10^5 runs of 10^7
  for (const ParquetFile& file : input_.files) {
    if (planned >= limit) return;
    if (stop.stop_requested()) {
      throw Error(ErrorKind::kCancelled, input_.source + ": stopped while listing");
    }
    const auto emit = [&](const RangePayload& payload, const std::string& known,
                          std::int64_t rows) {
      Chunk chunk;
      chunk.payload = to_json(payload);
      chunk.id = chunk_id(known, chunk.payload);
      chunk.rows = rows;
      planned += rows;
      found(std::move(chunk));
    };
    if (input_.is_remote && !options_.limit) {
      // Rows are in the footer, at the end of a file that isn't here: parts of even size, whose
      // rows are worked out when the first of them is read.
      const std::uint64_t parts =
          std::max<std::uint64_t>(1, (file.bytes + kPartBytes - 1) / kPartBytes);
      for (std::uint64_t part = 0; part < parts; ++part) {
        RangePayload payload;
        payload.file = file.name;
        payload.part = static_cast<std::int64_t>(part);
        payload.parts = static_cast<std::int64_t>(parts);
        emit(payload, file.identity,
             std::max<std::int64_t>(1, static_cast<std::int64_t>(file.bytes / parts / 100'000)));
      }
      continue;
    }
    const fs::path path = input_.locate(file);
    const std::string known = identity(file, path);
    DuckdbSession session = open_session(path.string(), path);
    std::vector<std::int64_t> repeated;  // rows of this file, ascending
    if (!options_.key_column.empty()) {
      const auto described = session.describe("FROM " + from(path));
      const auto key = std::find_if(described.begin(), described.end(),
                                    [&](const DuckdbColumn& c) { return c.name == relation_.key; });
      std::int64_t row_number = 0;
      if (key != described.end()) {
        session.query(
            fmt::format("SELECT CAST(c{} AS VARCHAR) FROM {} AS t({})", key - described.begin(),
                        from(path), column_aliases(described.size())),
            [&](const DuckdbRow& row) {
              if (!row.is_null(0) && !keys.insert(hash_of(row.bytes(0))).second) {
                repeated.push_back(row_number);
              }
              ++row_number;
            });
      }
    }
    const auto emit_range = [&](Range range) {
      range.rows = std::min(range.rows, limit - planned);
      if (range.rows <= 0) return;
      RangePayload payload;
      payload.file = file.name;
      payload.first = range.first;
      payload.rows = range.rows;
      const auto begin = std::lower_bound(repeated.begin(), repeated.end(), range.first);
      const auto end = std::lower_bound(begin, repeated.end(), range.first + range.rows);
      payload.repeated.assign(begin, end);
      emit(payload, known, range.rows);
    };
    Range small;  // several row groups that are smaller than a chunk
    std::int64_t small_bytes = 0, next = 0;
    for (const RowGroup& group : row_groups(session, path)) {
      const std::int64_t row_bytes = std::max<std::int64_t>(1, group.bytes / group.rows);
      const std::int64_t target = std::clamp(kChunkBytes / row_bytes, kMinRows, kMaxRows);
      const bool is_small = group.rows < target;
      if (small.rows > 0 && (!is_small || small.rows + group.rows > kMaxRows ||
                             small_bytes + group.bytes > kChunkBytes)) {
        emit_range(small);
        small = {};
        small_bytes = 0;
      }
      if (is_small) {
        if (small.rows == 0) small.first = next;
        small.rows += group.rows;
        small_bytes += group.bytes;
      } else {
        const std::int64_t parts = (group.rows + target - 1) / target;
        for (std::int64_t part = 0; part < parts; ++part) {
          const std::int64_t begin = group.rows * part / parts;
          emit_range({next + begin, group.rows * (part + 1) / parts - begin});
        }
      }
      next += group.rows;
    }
    emit_range(small);
  }
}

void ParquetDataset::read(const Chunk& chunk, const std::function<void(Row)>& found) const {
  const RangePayload payload = parse_range_payload(chunk.payload);
  const auto file = std::find_if(input_.files.begin(), input_.files.end(),
                                 [&](const ParquetFile& one) { return one.name == payload.file; });
  if (file == input_.files.end()) {
    throw Error(ErrorKind::kNotFound, fmt::format("{}: has no file {} any more", input_.source,
                                                  clean_text(payload.file)));
  }
  const fs::path path = input_.locate(*file);
  if (chunk_id(identity(*file, path), chunk.payload) != chunk.id) {
    throw Error(ErrorKind::kNotFound,
                path.string() + ": changed since its rows were listed; start the ingest again");
  }
  Range range{payload.first, payload.rows};
  if (payload.parts > 0) {
    DuckdbSession session = open_session(path.string(), path);
    const std::int64_t rows = count_rows(session, path);
    const auto cut = [&](std::int64_t part) {
      return static_cast<std::int64_t>(static_cast<double>(rows) * static_cast<double>(part) /
                                       static_cast<double>(payload.parts));
    };
    range.first = cut(payload.part);
    range.rows = cut(payload.part + 1) - range.first;
  }
  Reading reading{*file, path, {payload.repeated.begin(), payload.repeated.end()}, found};
  if (range.rows > 0) read_range(reading, range);
}

void ParquetDataset::read_range(Reading& reading, Range range) const {
  const std::string about =
      fmt::format("{}, rows {} to {}", input_.is_remote ? reading.file.name : reading.path.string(),
                  range.first, range.first + range.rows - 1);
  const auto place_key = [&](std::int64_t number) {
    return bounded_key(fmt::format("{}#{}", reading.file.name, number));
  };
  std::int64_t next = range.first;
  std::string why;
  try {
    ++reading.attempts;
    DuckdbSession session = open_session(about, reading.path);
    const auto described = session.describe("FROM " + from(reading.path));
    const std::string number = fmt::format("c{}", described.size());
    session.query(
        fmt::format("SELECT {} FROM read_parquet({}, file_row_number = true) AS t({}) "
                    "WHERE {} BETWEEN {} AND {}",
                    relation_select(about, relation_, described, number, session.has_json()),
                    duckdb_file_literal(reading.path.string()),
                    column_aliases(described.size() + 1), number, range.first,
                    range.first + range.rows - 1),
        [&](const DuckdbRow& found) {
          RelationRow read = relation_row(relation_, found);
          next = read.number + 1;
          Row row;
          row.values = std::move(read.values);
          row.key =
              read.key && !read.key->empty() ? bounded_key(*read.key) : place_key(read.number);
          if (!relation_.key.empty() && (!read.key || read.key->empty())) {
            row.problem = fmt::format("no key: column {} is null", clean_text(relation_.key));
          } else if (reading.repeated.contains(read.number)) {
            row.problem = fmt::format("the key {} belongs to an earlier row", row.key);
            row.key = place_key(read.number);
          } else {
            const fs::path folder = input_.is_remote ? fs::path() : reading.path.parent_path();
            place_picture(std::move(read), folder, false, row);
          }
          reading.found(std::move(row));
        });
    if (next >= range.first + range.rows) return;
    why = "the file ends before it";
    range.rows -= next - range.first;
    range.first = next;
  } catch (const Error& error) {
    // Only what the file does wrong, and before any row was handed over.
    if (error.kind() != ErrorKind::kCorrupt || next != range.first) throw;
    if (range.rows > 1 && reading.attempts < kMaxAttempts) {
      const std::int64_t half = range.rows / 2;
      read_range(reading, {range.first, half});
      read_range(reading, {range.first + half, range.rows - half});
      return;
    }
    why = error.what();
  }
  for (std::int64_t number = range.first; number < range.first + range.rows; ++number) {
    Row row;
    row.key = place_key(number);
    row.values.resize(columns_.size());
    row.problem = "the row cannot be read: " + why;
    reading.found(std::move(row));
  }
}

}  // namespace pgmmr
