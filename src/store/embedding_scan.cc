#include "store/embedding_scan.h"

#include <fmt/core.h>

#include "base/error.h"
#include "store/binary_format.h"

namespace pgmmr {
namespace {

// 500 rows of 1,024 dimensions are 2 MB as hexadecimal digits.
constexpr const char* kFetch = "FETCH FORWARD 500 FROM pgmmr_embeddings";
constexpr const char* kVectorSchema =
    "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n "
    "ON n.oid = e.extnamespace WHERE e.extname = 'vector'";

}  // namespace

EmbeddingScan::EmbeddingScan(Connection& connection, const Collection& collection,
                             const std::string& condition, const std::string& label)
    : connection_(connection),
      collection_(collection),
      condition_(condition),
      transaction_(connection) {
  try {
    if (!condition.empty()) check_condition(connection_, collection_, condition);
    const std::string from =
        fmt::format("FROM {} AS t WHERE ({}\n)", table_of(connection_, collection_),
                    condition.empty() ? "true" : condition);
    rows_ = connection_.execute("SELECT count(*) " + from).number(0, 0);
    const std::string value =
        label.empty() ? "NULL" : "t." + connection_.quote_identifier(label) + "::text";
    connection_.execute(
        fmt::format("DECLARE pgmmr_embeddings NO SCROLL CURSOR FOR SELECT t.key, {}, {} {}", value,
                    embedding_bytes(connection_, "t.embedding"), from));
  } catch (const Error& error) {
    throw condition_error(connection_, "evaluating", collection_, condition_, error);
  }
}

EmbeddingBlock EmbeddingScan::next() {
  std::optional<Result> found;
  try {
    found = connection_.execute(kFetch);
  } catch (const Error& error) {
    throw condition_error(connection_, "evaluating", collection_, condition_, error);
  }
  EmbeddingBlock block;
  block.embeddings.reserve(static_cast<std::size_t>(found->rows()) *
                           static_cast<std::size_t>(collection_.dim));
  for (int row = 0; row < found->rows(); ++row) {
    block.keys.emplace_back(found->text(row, 0));
    block.labels.emplace_back();
    if (!found->is_null(row, 1)) block.labels.back() = found->text(row, 1);
    append_embedding(block.embeddings, found->bytes(row, 2), collection_.dim, block.keys.back());
  }
  return block;
}

std::string embedding_bytes(Connection& connection, const std::string& column) {
  const Result schema = connection.execute(kVectorSchema);
  if (schema.rows() == 0) {
    throw Error(ErrorKind::kUnsupported, "pgvector is not enabled in this database");
  }
  return fmt::format("{}.halfvec_send({})", schema.text(0, 0), column);
}

void append_embedding(std::vector<float>& values, std::string_view bytes, int dim,
                      const std::string& key) {
  const std::size_t before = values.size();
  if (!read_halfvec(bytes, values) || values.size() - before != static_cast<std::size_t>(dim)) {
    throw Error(ErrorKind::kCorrupt,
                fmt::format("reading the embedding of \"{}\": {} bytes, expected {} dimensions",
                            key, bytes.size(), dim));
  }
}

}  // namespace pgmmr
