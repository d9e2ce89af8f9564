// A collection: a plain table of pictures with their columns, captions and embeddings, its
// pictures' bytes in a sibling table, and one row about it in pgmmr.collection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/connection.h"

namespace pgmmr {

struct TableColumn {
  std::string name;  // as in the table: see column_names()
  std::string type;  // PostgreSQL's: text, bigint, text[], jsonb …; see CellType
};

// The names that a dataset's columns get in the table, one for each: a name that collides with one
// of ours (key, image_uri, width, height, caption_words, caption_tsv, embedding) or of PostgreSQL's
// (ctid …) gets a trailing _; one above 63 bytes is cut; a second one of the same name gets _2.
std::vector<std::string> column_names(const std::vector<std::string>& source_names);

struct CaptionColumn {
  std::string name;    // one of the table's columns
  std::string config;  // a text search configuration: english, simple …; "icu" for scripts without
                       // spaces, whose words the program makes at ingest (column caption_words)
};

struct Collection {
  std::string name;
  std::string model_id, model_revision, model_fingerprint;
  int dim = 0;
  std::vector<TableColumn> columns;  // the dataset's own
  std::vector<CaptionColumn> captions;
  std::string source;          // the first source ingested
  bool stores_images = false;  // `database` rather than `reference`
  std::string schema;          // that the table lives in; empty takes the connection's own
};

// Names are 1 to 50 bytes of letters, digits, _ and -, beginning with a letter.
//   throws  Error{kInvalidArgument}
void check_collection_name(const std::string& name);

// Creates table, media table and catalogue row in one transaction.
//   throws  Error{kConflict} where a table or collection of that name exists, kInvalidArgument for
//           more columns than PostgreSQL's 1600, names that column_names() would change, captions
//           that are not text or text[] columns, an unknown text search configuration
void create_collection(Connection& connection, const Collection& collection);

std::optional<Collection> find_collection(Connection& connection, const std::string& name);
Collection get_collection(
    Connection& connection,
    const std::string& name);  // throws Error{kNotFound}: names those there are
std::vector<Collection> list_collections(Connection& connection);
// throws Error{kNotFound}
void drop_collection(Connection& connection, const std::string& name);

// "schema"."name", and the same of the media table: to be put into a statement.
std::string table_of(Connection& connection, const Collection& collection);
std::string media_table_of(Connection& connection, const Collection& collection);

struct CollectionCounts {
  std::int64_t rows = 0, rejects = 0, chunks_done = 0, chunks_open = 0, bytes = 0;
  bool has_vector_index = false;
};
CollectionCounts count_collection(Connection& connection, const std::string& name);

struct Reject {
  std::string source, key, reason;
};
std::vector<Reject> list_rejects(Connection& connection, const std::string& name, int limit);

// Up to this many rows exact search is as fast as an index.
inline constexpr std::int64_t kExactSearchRows = 20'000;

// Builds the keyword index where there is none, and the HNSW index where the collection has grown
// past kExactSearchRows and has none; sets maintenance_work_mem from the row count. Runs ANALYZE
// either way. Called by several at once, one builds and the others wait.
void finish_indexes(Connection& connection, const std::string& name);

// Pictures' bytes as stored with `database`.
std::optional<std::string> stored_image(Connection& connection, const std::string& name,
                                        const std::string& key);
std::optional<std::string> stored_thumbnail(Connection& connection, const std::string& name,
                                            const std::string& key);
std::optional<std::string> image_uri(Connection& connection, const std::string& name,
                                     const std::string& key);

}  // namespace pgmmr
