#include "store/ledger.h"

#include <fmt/core.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"

namespace pgmmr {
namespace {

constexpr std::size_t kMaxKeyBytes = 2000;     // an index entry holds 2,704
constexpr std::size_t kMaxSourceBytes = 400;   // with a key in one index entry
constexpr std::size_t kMaxReasonBytes = 2000;  // for people to read
constexpr std::string_view kCopySignature{"PGCOPY\n\377\r\n\0", 11};

constexpr const char* kPlan =
    "INSERT INTO pgmmr.chunk (collection, source, id, payload, rows) "
    "SELECT $1, $2, id, payload, rows::bigint "
    "FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS u (id, payload, rows, n) "
    "ORDER BY n ON CONFLICT DO NOTHING";
constexpr const char* kPrune =
    "DELETE FROM pgmmr.chunk WHERE (collection, source, id) IN ("
    "SELECT collection, source, id FROM pgmmr.chunk c WHERE collection = $1 AND source = $2 "
    "AND NOT EXISTS (SELECT FROM unnest($3::text[]) AS u (id) WHERE u.id = c.id) "
    "FOR UPDATE SKIP LOCKED)";
constexpr const char* kCount =
    "SELECT count(*) FILTER (WHERE done_at IS NULL), count(*) FILTER (WHERE done_at IS NOT NULL), "
    "coalesce(sum(rows) FILTER (WHERE done_at IS NULL), 0), "
    "coalesce(sum(rows) FILTER (WHERE done_at IS NOT NULL), 0), "
    "(SELECT count(*) FROM pgmmr.reject r WHERE r.collection = $1 AND r.source = $2) "
    "FROM pgmmr.chunk WHERE collection = $1 AND source = $2";
constexpr const char* kClaim =
    "SELECT id, payload, rows FROM pgmmr.chunk WHERE collection = $1 AND source = $2 "
    "AND done_at IS NULL ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED";
constexpr const char* kReject =
    "INSERT INTO pgmmr.reject (collection, source, key, chunk, reason) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT (collection, source, key) DO UPDATE "
    "SET chunk = excluded.chunk, reason = excluded.reason, at = excluded.at";
constexpr const char* kForgetRejects =
    "DELETE FROM pgmmr.reject r USING pg_temp.pgmmr_incoming i "
    "WHERE r.collection = $1 AND r.source = $2 AND r.key = i.key";
constexpr const char* kDone =
    "UPDATE pgmmr.chunk SET done_at = now(), stored = $4::bigint, rejected = $5::bigint "
    "WHERE collection = $1 AND source = $2 AND id = $3";
constexpr const char* kMediaUpsert =
    " SELECT key, thumbnail, image FROM pg_temp.pgmmr_incoming_media ORDER BY key "
    "ON CONFLICT (key) DO UPDATE SET thumbnail = excluded.thumbnail, image = excluded.image";

// A text as a name in the ledger: what is too long for an index keeps its beginning and a digest,
// what PostgreSQL cannot hold as text is shown as hex.
std::string ledger_name(const std::string& text, std::size_t max_bytes) {
  std::string name;
  const bool utf8 = is_utf8(text);
  for (const char c : text) {
    const bool plain = c != '\0' && (utf8 || (c & 0x80) == 0);
    if (plain) {
      name += c;
    } else {
      name += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  if (name.size() <= max_bytes) return name;
  std::size_t cut = max_bytes - 40;
  while (cut > 0 && (static_cast<unsigned char>(name[cut]) & 0xC0) == 0x80) --cut;
  return name.substr(0, cut) + "… sha256:" + sha256_hex(text).substr(0, 24);
}

std::string source_name(const std::string& source) { return ledger_name(source, kMaxSourceBytes); }

void begin_copy(std::string& out) {
  out += kCopySignature;
  append_int32(out, 0);  // flags
  append_int32(out, 0);  // no header extension
}

void end_copy(std::string& out) { append_int16(out, -1); }

bool has_words(const Collection& collection) {
  for (const auto& caption : collection.captions) {
    if (caption.config == "icu") return true;
  }
  return false;
}

// What COPY into the table names: never the generated caption_tsv.
std::vector<std::string> stored_columns(Connection& connection, const Collection& collection) {
  std::vector<std::string> names = {"key"};
  for (const auto& column : collection.columns) {
    names.push_back(connection.quote_identifier(column.name));
  }
  for (const char* own : {"image_uri", "width", "height"}) names.emplace_back(own);
  if (has_words(collection)) names.emplace_back("caption_words");
  names.emplace_back("embedding");
  return names;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

void append_row(std::string& out, const Collection& collection, const std::vector<CellType>& types,
                const StoredRow& row) {
  const bool words = has_words(collection);
  append_int16(out, static_cast<std::int16_t>(types.size() + 5 + (words ? 1 : 0)));
  append_field(out, row.key);
  for (std::size_t i = 0; i < types.size(); ++i) {
    try {
      append_cell(out, types[i], row.values[i]);
    } catch (const Error& error) {
      throw Error(error.kind(),
                  fmt::format("column \"{}\": {}", collection.columns[i].name, error.what()));
    }
  }
  append_field(out, row.image_uri);
  append_cell(out, CellType::kInteger, std::int64_t{row.width});
  append_cell(out, CellType::kInteger, std::int64_t{row.height});
  if (words) {
    if (row.caption_words) {
      append_field(out, *row.caption_words);
    } else {
      append_null(out);
    }
  }
  std::string embedding;
  append_halfvec(embedding, row.embedding);
  append_field(out, embedding);
}

// Why a row can be in no table at all; nothing where it can.
std::optional<std::string> fault_of(const StoredRow& row) {
  if (row.key.empty()) return "the key is empty";
  if (row.key.size() > kMaxKeyBytes) {
    return fmt::format("the key has {} bytes, expected at most {}", row.key.size(), kMaxKeyBytes);
  }
  return std::nullopt;
}

// The reason of a reject from an error: the server's own words where there are any.
std::string reason_of(const Connection& connection, const Error& error, bool from_server) {
  return from_server ? "the database refuses it: " + connection.last_error().message
                     : std::string(error.what());
}

}  // namespace

std::int64_t plan_chunks(Connection& connection, const std::string& collection,
                         const std::string& source, const std::vector<LedgerChunk>& chunks) {
  if (chunks.empty()) return 0;
  std::vector<std::string> ids, payloads, rows;
  for (const auto& chunk : chunks) {
    ids.push_back(chunk.id);
    payloads.push_back(chunk.payload);
    rows.push_back(std::to_string(chunk.rows));
  }
  return connection
      .execute(kPlan,
               {Param::text(collection), Param::text(source_name(source)), Param::text_array(ids),
                Param::text_array(payloads), Param::text_array(rows)})
      .affected();
}

void prune_chunks(Connection& connection, const std::string& collection, const std::string& source,
                  const std::vector<std::string>& current_ids) {
  connection.execute(kPrune, {Param::text(collection), Param::text(source_name(source)),
                              Param::text_array(current_ids)});
}

LedgerCounts count_chunks(Connection& connection, const std::string& collection,
                          const std::string& source) {
  const Result found =
      connection.execute(kCount, {Param::text(collection), Param::text(source_name(source))});
  return {found.number(0, 0), found.number(0, 1), found.number(0, 2), found.number(0, 3),
          found.number(0, 4)};
}

ChunkClaim::ChunkClaim(Connection& connection, const Collection& collection, std::string source)
    : connection_(&connection), collection_(collection), source_(std::move(source)) {
  for (const auto& column : collection_.columns) types_.push_back(cell_type(column.type));
  if (collection_.schema.empty()) {
    collection_.schema = get_collection(connection, collection_.name).schema;
  }
}

ChunkClaim::ChunkClaim(ChunkClaim&&) noexcept = default;
ChunkClaim& ChunkClaim::operator=(ChunkClaim&&) noexcept = default;
ChunkClaim::~ChunkClaim() = default;

std::optional<ChunkClaim> ChunkClaim::next(Connection& connection, const Collection& collection,
                                           const std::string& source) {
  ChunkClaim claim(connection, collection, source_name(source));
  claim.transaction_ = std::make_unique<Transaction>(connection);
  const Result found =
      connection.execute(kClaim, {Param::text(collection.name), Param::text(claim.source_)});
  if (found.rows() == 0) return std::nullopt;
  claim.chunk_ = {std::string(found.text(0, 0)), std::string(found.text(0, 1)), found.number(0, 2)};
  return claim;
}

// One a transaction: with ON COMMIT DROP nothing is left to a pooled connection.
void ChunkClaim::make_incoming() {
  if (has_incoming_) return;
  const std::string table = table_of(*connection_, collection_);
  connection_->run_script(fmt::format(
      "CREATE TEMPORARY TABLE pgmmr_incoming (LIKE {} INCLUDING STORAGE) "
      "WITH (toast_tuple_target = 8160) ON COMMIT DROP; "
      "CREATE TEMPORARY TABLE pgmmr_incoming_media (LIKE {} INCLUDING STORAGE) ON COMMIT DROP",
      table, media_table_of(*connection_, collection_)));
  has_incoming_ = true;
}

void ChunkClaim::store_encoded(const std::vector<const StoredRow*>& rows, std::string_view data) {
  const auto columns = stored_columns(*connection_, collection_);
  connection_->copy_in(
      fmt::format("COPY pg_temp.pgmmr_incoming ({}) FROM STDIN (FORMAT binary)", joined(columns)),
      data);
  std::vector<std::string> updates;
  for (const auto& column : columns) {
    if (column != "key") updates.push_back(column + " = excluded." + column);
  }
  // In the order of keys, so that two workers with a key in common wait rather than lock each
  // other.
  connection_->execute(
      fmt::format("INSERT INTO {0} ({1}) SELECT {1} FROM pg_temp.pgmmr_incoming ORDER BY key "
                  "ON CONFLICT (key) DO UPDATE SET {2}",
                  table_of(*connection_, collection_), joined(columns), joined(updates)));
  connection_->execute(kForgetRejects, {Param::text(collection_.name), Param::text(source_)});
  copy_media(rows);
  connection_->run_script("TRUNCATE pg_temp.pgmmr_incoming, pg_temp.pgmmr_incoming_media");
}

void ChunkClaim::copy_media(const std::vector<const StoredRow*>& rows) {
  // A collection that refers to files still keeps a picture that came inside its source.
  const auto keeps = [&](const StoredRow* row) {
    return collection_.stores_images || !row->thumbnail.empty() || !row->image.empty();
  };
  if (std::ranges::none_of(rows, keeps)) return;
  std::string data;
  begin_copy(data);
  for (const auto* row : rows) {
    if (!keeps(row)) continue;
    append_int16(data, 3);
    append_field(data, row->key);
    for (const auto* bytes : {&row->thumbnail, &row->image}) {
      if (bytes->empty()) {
        append_null(data);
      } else {
        append_field(data, *bytes);
      }
    }
  }
  end_copy(data);
  connection_->copy_in(
      "COPY pg_temp.pgmmr_incoming_media (key, thumbnail, image) FROM STDIN (FORMAT binary)", data);
  connection_->execute("INSERT INTO " + media_table_of(*connection_, collection_) +
                       " (key, thumbnail, image)" + kMediaUpsert);
}

// A refused batch is halved until the row that the database cannot hold stands alone.
void ChunkClaim::store_or_split(std::vector<const StoredRow*> rows, std::vector<Reject>& rejects) {
  if (rows.empty()) return;
  connection_->execute("SAVEPOINT pgmmr_rows");
  bool from_server = false;
  try {
    std::string data;
    begin_copy(data);
    for (const auto* row : rows) append_row(data, collection_, types_, *row);
    end_copy(data);
    from_server = true;
    store_encoded(rows, data);
    connection_->execute("RELEASE SAVEPOINT pgmmr_rows");
    stored_ += static_cast<std::int64_t>(rows.size());
    return;
  } catch (const Error& error) {
    const bool of_a_row =
        error.kind() == ErrorKind::kInvalidArgument || error.kind() == ErrorKind::kConflict;
    if (!of_a_row) throw;
    const std::string reason = reason_of(*connection_, error, from_server);
    connection_->execute("ROLLBACK TO SAVEPOINT pgmmr_rows");
    connection_->execute("RELEASE SAVEPOINT pgmmr_rows");
    if (rows.size() == 1) {
      reject(rows[0]->key, reason);
      rejects.push_back({source_, rows[0]->key, reason});
      return;
    }
  }
  const auto middle = rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2);
  store_or_split({rows.begin(), middle}, rejects);
  store_or_split({middle, rows.end()}, rejects);
}

std::vector<Reject> ChunkClaim::store(const std::vector<StoredRow>& rows) {
  assert(transaction_ != nullptr);
  std::vector<Reject> rejects;
  std::vector<const StoredRow*> good;
  std::unordered_map<std::string_view, std::size_t> place;
  for (const auto& row : rows) {
    if (row.values.size() != types_.size() ||
        row.embedding.size() != static_cast<std::size_t>(collection_.dim)) {
      throw Error(ErrorKind::kInternal,
                  fmt::format("storing row \"{}\" in {}: {} values and {} dimensions, expected {} "
                              "and {}",
                              row.key, collection_.name, row.values.size(), row.embedding.size(),
                              types_.size(), collection_.dim));
    }
    if (const auto fault = fault_of(row)) {
      reject(row.key, *fault);
      rejects.push_back({source_, row.key, *fault});
      continue;
    }
    const auto [found, is_new] = place.try_emplace(row.key, good.size());
    if (is_new) {
      good.push_back(&row);
    } else {
      good[found->second] = &row;
    }
  }
  if (good.empty()) return rejects;
  make_incoming();
  store_or_split(std::move(good), rejects);
  return rejects;
}

void ChunkClaim::reject(const std::string& key, const std::string& reason) {
  assert(transaction_ != nullptr);
  connection_->execute(kReject,
                       {Param::text(collection_.name), Param::text(source_),
                        Param::text(ledger_name(key, kMaxKeyBytes)), Param::text(chunk_.id),
                        Param::text(ledger_name(reason, kMaxReasonBytes))});
  ++rejected_;
}

void ChunkClaim::done() {
  assert(transaction_ != nullptr);
  connection_->execute(kDone,
                       {Param::text(collection_.name), Param::text(source_), Param::text(chunk_.id),
                        Param::number(stored_), Param::number(rejected_)});
  transaction_->commit();
  transaction_.reset();
}

}  // namespace pgmmr
