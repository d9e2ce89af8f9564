// A collection: a plain table of pictures with their columns, captions and embeddings, its
// pictures' bytes in a sibling table, and one row about it in pgmmr.collection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "store/connection.h"

namespace pgmmr {

struct TableColumn {
  std::string name;  // as in the table: a name that collides with one of ours has got a trailing _
  std::string type;  // PostgreSQL's: text, bigint, text[], jsonb …
};

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
};

// Names are 1 to 50 bytes of letters, digits, _ and -, beginning with a letter.
//   throws  Error{kInvalidArgument}
void check_collection_name(const std::string& name);

// Creates table, media table and catalogue row in one transaction.
//   throws  Error{kConflict} where a table or collection of that name exists
void create_collection(Connection& connection, const Collection& collection);

std::optional<Collection> find_collection(Connection& connection, const std::string& name);
Collection get_collection(
    Connection& connection,
    const std::string& name);  // throws Error{kNotFound}: names those there are
std::vector<Collection> list_collections(Connection& connection);
void drop_collection(Connection& connection, const std::string& name);

struct CollectionCounts {
  std::int64_t rows = 0, rejects = 0, chunks_done = 0, chunks_open = 0, bytes = 0;
  bool has_vector_index = false;
};
CollectionCounts count_collection(Connection& connection, const std::string& name);

struct Reject {
  std::string source, key, reason;
};
std::vector<Reject> list_rejects(Connection& connection, const std::string& name, int limit);

// Builds the HNSW index where the collection has grown past the size up to which exact search is as
// fast (20,000 rows) and has none; sets maintenance_work_mem from the row count. Runs ANALYZE
// either way.
void finish_indexes(Connection& connection, const std::string& name);

// Pictures' bytes as stored with `database`.
std::optional<std::string> stored_image(Connection& connection, const std::string& name,
                                        const std::string& key);
std::optional<std::string> stored_thumbnail(Connection& connection, const std::string& name,
                                            const std::string& key);
std::optional<std::string> image_uri(Connection& connection, const std::string& name,
                                     const std::string& key);

}  // namespace pgmmr
