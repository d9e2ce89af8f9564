#include "store/collection.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "store/binary_format.h"

namespace pgmmr {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxNameBytes = 50;  // room for _media and the indexes' endings
constexpr std::size_t kMaxIdentifierBytes = 63;
constexpr std::size_t kMaxColumns = 1600;
constexpr int kMaxDimensions = 4000;  // pgvector's limit of an HNSW index on halfvec
// A tsvector holds 1 MB. Short words cost it at most three times their text, words with hyphens
// twice: so many characters of all captions together always fit.
constexpr std::size_t kIndexedCharacters = 100'000;

constexpr const char* kOwnColumns[] = {"key",           "image_uri",   "width",    "height",
                                       "caption_words", "caption_tsv", "embedding"};
constexpr const char* kSystemColumns[] = {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"};

constexpr const char* kHomeSchema = "SELECT coalesce(current_schema()::text, '')";
constexpr const char* kTableExists = "SELECT to_regclass($1) IS NOT NULL";
constexpr const char* kConfigExists =
    "SELECT EXISTS (SELECT FROM pg_ts_config WHERE cfgname = $1 AND pg_ts_config_is_visible(oid))";
constexpr const char* kInsert =
    "INSERT INTO pgmmr.collection (name, table_schema, model_id, model_revision, "
    "model_fingerprint, dim, columns, captions, source, stores_images) "
    "VALUES ($1, $2, $3, $4, $5, $6::int, $7::jsonb, $8::jsonb, $9, $10::boolean)";
constexpr const char* kSelect =
    "SELECT name, table_schema, model_id, model_revision, model_fingerprint, dim, columns::text, "
    "captions::text, source, stores_images FROM pgmmr.collection";
constexpr const char* kDelete = "DELETE FROM pgmmr.collection WHERE name = $1";
constexpr const char* kCounts =
    "SELECT (SELECT count(*) FROM pgmmr.reject WHERE collection = $1), "
    "count(*) FILTER (WHERE done_at IS NOT NULL), count(*) FILTER (WHERE done_at IS NULL), "
    "pg_total_relation_size($2::regclass) + coalesce(pg_total_relation_size(to_regclass($3)), 0), "
    "EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid "
    "= "
    "c.relam WHERE i.indrelid = $2::regclass AND a.amname = 'hnsw' AND i.indisvalid) "
    "FROM pgmmr.chunk WHERE collection = $1";
constexpr const char* kRejects =
    "SELECT source, key, reason FROM pgmmr.reject WHERE collection = $1 "
    "ORDER BY at DESC, source, key LIMIT $2::int";

bool is_reserved(const std::string& name) {
  const auto same = [&](const char* one) { return name == one; };
  return std::ranges::any_of(kOwnColumns, same) || std::ranges::any_of(kSystemColumns, same);
}

// At most so many bytes, cut between characters.
std::string cut(const std::string& text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

json columns_json(const Collection& collection) {
  json list = json::array();
  for (const auto& column : collection.columns) {
    list.push_back({{"name", column.name}, {"type", column.type}});
  }
  return list;
}

json captions_json(const Collection& collection) {
  json list = json::array();
  for (const auto& caption : collection.captions) {
    list.push_back({{"name", caption.name}, {"config", caption.config}});
  }
  return list;
}

Collection read_collection(const Result& result, int row) {
  Collection collection;
  collection.name = result.text(row, 0);
  collection.schema = result.text(row, 1);
  collection.model_id = result.text(row, 2);
  collection.model_revision = result.text(row, 3);
  collection.model_fingerprint = result.text(row, 4);
  collection.dim = static_cast<int>(result.number(row, 5));
  try {
    for (const auto& column : json::parse(result.text(row, 6))) {
      collection.columns.push_back({column.at("name"), column.at("type")});
    }
    for (const auto& caption : json::parse(result.text(row, 7))) {
      collection.captions.push_back({caption.at("name"), caption.at("config")});
    }
  } catch (const json::exception& error) {
    throw Error(ErrorKind::kCorrupt, fmt::format("reading collection {} from pgmmr.collection: {}",
                                                 collection.name, error.what()));
  }
  collection.source = result.text(row, 8);
  collection.stores_images = result.text(row, 9) == "t";
  return collection;
}

void check_collection(Connection& connection, const Collection& collection) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("making collection {}: {}", collection.name, why));
  };
  check_collection_name(collection.name);
  if (collection.dim < 1 || collection.dim > kMaxDimensions) {
    refuse(fmt::format("embeddings of {} dimensions, expected 1 to {}", collection.dim,
                       kMaxDimensions));
  }
  if (collection.columns.size() + std::size(kOwnColumns) > kMaxColumns) {
    refuse(fmt::format("the source has {} columns, PostgreSQL's tables hold {} beside pgmmr's {}",
                       collection.columns.size(), kMaxColumns - std::size(kOwnColumns),
                       std::size(kOwnColumns)));
  }
  std::vector<std::string> names;
  for (const auto& column : collection.columns) {
    names.push_back(column.name);
    cell_type(column.type);
  }
  const auto safe = column_names(names);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] != safe[i]) {
      refuse(fmt::format("column \"{}\" must be named \"{}\"", names[i], safe[i]));
    }
  }
  for (const auto& caption : collection.captions) {
    const auto column = std::ranges::find(collection.columns, caption.name, &TableColumn::name);
    if (column == collection.columns.end()) {
      refuse(fmt::format("the source has no column \"{}\" to take captions from", caption.name));
    }
    const auto type = cell_type(column->type);
    if (type != CellType::kText && type != CellType::kTextArray) {
      refuse(fmt::format("captions are text, column \"{}\" is {}", caption.name, column->type));
    }
    if (caption.config != "icu" &&
        connection.execute(kConfigExists, {Param::text(caption.config)}).text(0, 0) != "t") {
      refuse(fmt::format("the database has no text search configuration \"{}\" (english, simple …)",
                         caption.config));
    }
  }
}

std::string caption_expression(Connection& connection, const Collection& collection) {
  if (collection.captions.empty()) return "''::tsvector";
  const auto characters = kIndexedCharacters / collection.captions.size();
  std::vector<std::string> parts;
  bool has_words = false;
  for (const auto& caption : collection.captions) {
    if (caption.config == "icu") {
      has_words = true;
      continue;
    }
    const auto& column = *std::ranges::find(collection.columns, caption.name, &TableColumn::name);
    std::string text = connection.quote_identifier(caption.name);
    if (cell_type(column.type) == CellType::kTextArray) text = "pgmmr.joined(" + text + ")";
    parts.push_back(fmt::format("to_tsvector({}::regconfig, left(coalesce({}, ''), {}))",
                                connection.quote_literal(caption.config), text, characters));
  }
  if (has_words) {
    parts.push_back(fmt::format(
        "to_tsvector('simple'::regconfig, left(coalesce(caption_words, ''), {}))", characters));
  }
  return fmt::format("{}", fmt::join(parts, " || "));
}

// pgvector may live in any schema; a name that the search path does not see is written out.
std::string halfvec_type(Connection& connection) {
  const Result found = connection.execute(
      "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = "
      "e.extnamespace WHERE e.extname = 'vector'");
  if (found.rows() == 0) {
    throw Error(ErrorKind::kUnsupported, "pgvector is not enabled in this database");
  }
  return std::string(found.text(0, 0)) + ".halfvec";
}

std::string qualified(Connection& connection, const Collection& collection,
                      const std::string& ending) {
  return connection.quote_identifier(collection.schema) + "." +
         connection.quote_identifier(collection.name + ending);
}

std::optional<Result> select_media(Connection& connection, const std::string& name,
                                   const std::string& key, const char* column) {
  const Collection collection = get_collection(connection, name);
  Result found = connection.execute(fmt::format("SELECT {} FROM {} WHERE key = $1", column,
                                                media_table_of(connection, collection)),
                                    {Param::text(key)});
  if (found.rows() == 0 || found.is_null(0, 0)) return std::nullopt;
  return found;
}

}  // namespace

std::vector<std::string> column_names(const std::vector<std::string>& source_names) {
  std::set<std::string> taken;
  std::vector<std::string> names;
  for (const auto& source_name : source_names) {
    std::string name = source_name.substr(0, source_name.find('\0'));
    if (!is_utf8(name)) {
      std::ranges::replace_if(
          name, [](char c) { return (c & 0x80) != 0; }, '?');
    }
    if (name.empty()) name = "column";
    name = cut(name, kMaxIdentifierBytes);
    while (is_reserved(name)) name += '_';
    const std::string base = name;
    for (int n = 2; taken.contains(name); ++n) {
      const std::string ending = fmt::format("_{}", n);
      name = cut(base, kMaxIdentifierBytes - ending.size()) + ending;
    }
    taken.insert(name);
    names.push_back(name);
  }
  return names;
}

void check_collection_name(const std::string& name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto fits = [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  if (name.empty() || name.size() > kMaxNameBytes || !letter(name[0]) ||
      !std::ranges::all_of(name, fits)) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("collection name \"{}\": expected 1 to {} letters, digits, _ and -, "
                            "beginning with a letter",
                            name.substr(0, 80), kMaxNameBytes));
  }
}

std::string table_of(Connection& connection, const Collection& collection) {
  return qualified(connection, collection, "");
}

std::string media_table_of(Connection& connection, const Collection& collection) {
  return qualified(connection, collection, "_media");
}

void create_collection(Connection& connection, const Collection& wanted) {
  Collection collection = wanted;
  check_collection(connection, collection);
  if (collection.schema.empty()) collection.schema = connection.execute(kHomeSchema).text(0, 0);
  if (collection.schema.empty()) collection.schema = "public";
  const std::string table = table_of(connection, collection);
  const std::string media = media_table_of(connection, collection);
  const auto conflict = [&](const std::string& what) {
    throw Error(ErrorKind::kConflict,
                fmt::format("making collection {}: {} exists already", collection.name, what));
  };
  if (find_collection(connection, collection.name)) conflict("a collection of that name");
  for (const auto& one : {table, media}) {
    if (connection.execute(kTableExists, {Param::text(one)}).text(0, 0) == "t") {
      conflict("a table " + one);
    }
  }

  std::string columns;
  for (const auto& column : collection.columns) {
    columns += fmt::format("  {} {},\n", connection.quote_identifier(column.name), column.type);
  }
  const bool has_words = std::ranges::any_of(
      collection.captions, [](const auto& caption) { return caption.config == "icu"; });
  Transaction transaction(connection);
  try {
    connection.run_script(
        fmt::format("CREATE TABLE {0} (\n  key text PRIMARY KEY,\n{1}  image_uri text NOT NULL,\n"
                    "  width int NOT NULL,\n  height int NOT NULL,\n{2}"
                    "  caption_tsv tsvector GENERATED ALWAYS AS ({3}) STORED,\n"
                    "  embedding {4}({5}) NOT NULL\n) WITH (toast_tuple_target = 8160);\n"
                    "ALTER TABLE {0} ALTER COLUMN embedding SET STORAGE PLAIN;\n"
                    "CREATE TABLE {6} (key text PRIMARY KEY, thumbnail bytea, image bytea);\n"
                    "ALTER TABLE {6} ALTER COLUMN thumbnail SET STORAGE EXTERNAL, "
                    "ALTER COLUMN image SET STORAGE EXTERNAL",
                    table, columns, has_words ? "  caption_words text,\n" : "",
                    caption_expression(connection, collection), halfvec_type(connection),
                    collection.dim, media));
  } catch (const Error&) {
    if (connection.last_error().sqlstate == "42P07") conflict("a table " + table);
    throw;
  }
  connection.execute(
      kInsert,
      {Param::text(collection.name), Param::text(collection.schema),
       Param::text(collection.model_id), Param::text(collection.model_revision),
       Param::text(collection.model_fingerprint), Param::number(collection.dim),
       Param::text(columns_json(collection).dump()), Param::text(captions_json(collection).dump()),
       Param::text(collection.source), Param::boolean(collection.stores_images)});
  transaction.commit();
}

std::optional<Collection> find_collection(Connection& connection, const std::string& name) {
  const Result found =
      connection.execute(std::string(kSelect) + " WHERE name = $1", {Param::text(name)});
  if (found.rows() == 0) return std::nullopt;
  return read_collection(found, 0);
}

Collection get_collection(Connection& connection, const std::string& name) {
  if (auto found = find_collection(connection, name)) return *std::move(found);
  std::vector<std::string> names;
  for (const auto& one : list_collections(connection)) names.push_back(one.name);
  throw Error(ErrorKind::kNotFound,
              fmt::format("no collection \"{}\"; there {}", name.substr(0, 80),
                          names.empty() ? "are none yet: pgmmr ingest makes one"
                                        : fmt::format("are: {}", fmt::join(names, ", "))));
}

std::vector<Collection> list_collections(Connection& connection) {
  const Result found = connection.execute(std::string(kSelect) + " ORDER BY name");
  std::vector<Collection> collections;
  for (int row = 0; row < found.rows(); ++row) collections.push_back(read_collection(found, row));
  return collections;
}

void drop_collection(Connection& connection, const std::string& name) {
  const Collection collection = get_collection(connection, name);
  Transaction transaction(connection);
  connection.execute("DROP TABLE IF EXISTS " + table_of(connection, collection) + ", " +
                     media_table_of(connection, collection));
  connection.execute(kDelete, {Param::text(name)});
  transaction.commit();
}

CollectionCounts count_collection(Connection& connection, const std::string& name) {
  const Collection collection = get_collection(connection, name);
  const std::string table = table_of(connection, collection);
  CollectionCounts counts;
  counts.rows = connection.execute("SELECT count(*) FROM " + table).number(0, 0);
  const Result rest = connection.execute(
      kCounts,
      {Param::text(name), Param::text(table), Param::text(media_table_of(connection, collection))});
  counts.rejects = rest.number(0, 0);
  counts.chunks_done = rest.number(0, 1);
  counts.chunks_open = rest.number(0, 2);
  counts.bytes = rest.number(0, 3);
  counts.has_vector_index = rest.text(0, 4) == "t";
  return counts;
}

std::vector<Reject> list_rejects(Connection& connection, const std::string& name, int limit) {
  const Result found =
      connection.execute(kRejects, {Param::text(name), Param::number(std::max(0, limit))});
  std::vector<Reject> rejects;
  for (int row = 0; row < found.rows(); ++row) {
    rejects.push_back({std::string(found.text(row, 0)), std::string(found.text(row, 1)),
                       std::string(found.text(row, 2))});
  }
  return rejects;
}

std::optional<std::string> stored_image(Connection& connection, const std::string& name,
                                        const std::string& key) {
  const auto found = select_media(connection, name, key, "image");
  if (!found) return std::nullopt;
  return found->bytes(0, 0);
}

std::optional<std::string> stored_thumbnail(Connection& connection, const std::string& name,
                                            const std::string& key) {
  const auto found = select_media(connection, name, key, "thumbnail");
  if (!found) return std::nullopt;
  return found->bytes(0, 0);
}

std::optional<std::string> image_uri(Connection& connection, const std::string& name,
                                     const std::string& key) {
  const Collection collection = get_collection(connection, name);
  const Result found = connection.execute(
      "SELECT image_uri FROM " + table_of(connection, collection) + " WHERE key = $1",
      {Param::text(key)});
  if (found.rows() == 0) return std::nullopt;
  return std::string(found.text(0, 0));
}

}  // namespace pgmmr
