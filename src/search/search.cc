#include "search/search.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "search/keyword_text.h"

namespace pgmmr {
namespace {

// q - 0.25 n for unit vectors q and n. Measured on 1,500 rows of the sample collection with its
// small model, 20 pairs (heart / red, face / cat …), share of the ten best whose caption names what
// is wanted, and what isn't: without .410 .035, weight 0.25 .305 .000, 0.5 .225 .000, 1 .170 .005,
// the direction of n taken out altogether .270 .000. Not measured on a large model.
constexpr float kAwayWeight = 0.25F;

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

Error refusal(const std::string& why) {
  return Error(ErrorKind::kInvalidArgument, "searching: " + why);
}

void check_text(const std::string& what, const std::string& text) {
  if (text.find('\0') != std::string::npos || !is_utf8(text)) {
    throw refusal(what + " is not UTF-8 text");
  }
}

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n\f\v") == std::string::npos;
}

bool has_icu_caption(const Collection& collection) {
  for (const CaptionColumn& caption : collection.captions) {
    if (caption.config == "icu") return true;
  }
  return false;
}

// The sum of unit vectors, each times its weight.
class Direction {
 public:
  explicit Direction(int dim) : sum_(static_cast<std::size_t>(dim)) {}

  void add(std::span<const float> values, float weight) {
    double length = 0;
    for (const float value : values) length += static_cast<double>(value) * value;
    length = std::sqrt(length);
    if (values.size() != sum_.size() || !(length > 0) || !std::isfinite(length)) {
      throw refusal("an embedding that is zero, not finite or of another dimension");
    }
    for (std::size_t i = 0; i < sum_.size(); ++i) {
      sum_[i] += weight * static_cast<float>(values[i] / length);
    }
  }

  std::vector<float> unit() const {
    double length = 0;
    for (const float value : sum_) length += static_cast<double>(value) * value;
    length = std::sqrt(length);
    // Opposite parts that cancel out leave rounding noise, which would rank at random.
    if (length < 1e-4) throw refusal("the parts of the query cancel each other out");
    std::vector<float> values(sum_);
    for (float& value : values) value = static_cast<float>(value / length);
    return values;
  }

 private:
  std::vector<float> sum_;
};

std::vector<float> query_embedding(Connection& connection, const Collection& collection,
                                   const QueryVectors& vectors, const Query& query) {
  Direction direction(collection.dim);
  if (!is_blank(query.text)) direction.add(vectors.text, 1);
  if (query.picture) direction.add(vectors.picture, 1);
  if (!query.like_key.empty()) {
    const auto stored = stored_embedding(connection, collection, query.like_key);
    if (!stored) {
      throw Error(ErrorKind::kNotFound, fmt::format("searching collection {}: no row with key {}",
                                                    collection.name, query.like_key));
    }
    direction.add(*stored, 1);
  }
  if (!is_blank(query.not_text)) {
    // Against the whole of what is sought, however many parts it has.
    const std::vector<float> sought = direction.unit();
    Direction apart(collection.dim);
    apart.add(sought, 1);
    apart.add(vectors.not_text, -kAwayWeight);
    return apart.unit();
  }
  return direction.unit();
}

QueryVectors encode_parts(const Collection& collection, const Encoder* encoder,
                          const Query& query) {
  QueryVectors vectors;
  const QueryParts parts = parts_to_encode(collection, query);
  if (!parts.text && !parts.not_text && !parts.picture) return vectors;
  if (encoder == nullptr) {
    throw Error(ErrorKind::kInternal, "searching: the query needs a model and none was loaded");
  }
  check_model(collection, encoder->info());
  const auto row = [](const Matrix& rows) {
    return std::vector<float>(rows.row(0).begin(), rows.row(0).end());
  };
  if (parts.text) vectors.text = row(encoder->encode_texts({&query.text, 1}));
  if (parts.not_text) vectors.not_text = row(encoder->encode_texts({&query.not_text, 1}));
  if (parts.picture) vectors.picture = row(encoder->encode_pictures({&*query.picture, 1}));
  return vectors;
}

}  // namespace

RankingMode ranking_mode(const Collection& collection, const Query& query) {
  check_text("the text", query.text);
  check_text("the text to stay away from", query.not_text);
  check_text("the key", query.like_key);
  check_text("the condition", query.where);
  const bool has_text = !is_blank(query.text);
  const bool has_example = query.picture.has_value() || !query.like_key.empty();
  if (!has_text && !has_example) {
    throw refusal("nothing to search for: expected words, a picture or a key");
  }
  if (query.limit < 1 || query.limit > kMaxHits) {
    throw refusal(fmt::format("{} hits asked for, expected 1 to {}", query.limit, kMaxHits));
  }
  const auto needs_captions = [&](const char* mode) {
    if (!has_text) throw refusal(fmt::format("{} mode needs words to look for", mode));
    if (collection.captions.empty()) {
      throw refusal(
          fmt::format("{} mode needs captions, and collection {} has none", mode, collection.name));
    }
  };
  switch (query.mode) {
    case SearchMode::kVector:
      return RankingMode::kVector;
    case SearchMode::kHybrid:
      needs_captions("hybrid");
      return RankingMode::kHybrid;
    case SearchMode::kKeyword:
      needs_captions("keyword");
      if (has_example || !is_blank(query.not_text)) {
        throw refusal(
            "keyword mode reads words alone, not pictures, keys or what to stay away "
            "from; use hybrid mode");
      }
      return RankingMode::kKeyword;
    case SearchMode::kAuto:
      break;
  }
  return has_text && !collection.captions.empty() ? RankingMode::kHybrid : RankingMode::kVector;
}

QueryParts parts_to_encode(const Collection& collection, const Query& query) {
  if (ranking_mode(collection, query) == RankingMode::kKeyword) return {};
  return {!is_blank(query.text), !is_blank(query.not_text), query.picture.has_value()};
}

bool needs_encoder(const Collection& collection, const Query& query) {
  const QueryParts parts = parts_to_encode(collection, query);
  return parts.text || parts.not_text || parts.picture;
}

void check_model(const Collection& collection, const ModelInfo& model) {
  if (collection.model_fingerprint == model.fingerprint && collection.dim == model.dim) return;
  throw Error(
      ErrorKind::kConflict,
      fmt::format("searching collection {}: it was made with model {} (fingerprint {}, "
                  "dimension {}), not with {} (fingerprint {}, dimension {})",
                  collection.name, collection.model_id, collection.model_fingerprint.substr(0, 12),
                  collection.dim, model.id, model.fingerprint.substr(0, 12), model.dim));
}

RankingQuery prepare(Connection& connection, const Collection& collection, const Encoder* encoder,
                     const Query& query) {
  return prepare(connection, collection, encode_parts(collection, encoder, query), query);
}

RankingQuery prepare(Connection& connection, const Collection& collection,
                     const QueryVectors& vectors, const Query& query) {
  RankingQuery ranking;
  ranking.mode = ranking_mode(collection, query);
  ranking.limit = query.limit;
  ranking.where = query.where;
  ranking.embedding_of_text = !query.picture && query.like_key.empty();
  if (!query.like_key.empty()) ranking.exclude_key = query.like_key;
  if (ranking.mode != RankingMode::kKeyword) {
    ranking.embedding = query_embedding(connection, collection, vectors, query);
  }
  if (ranking.mode != RankingMode::kVector) {
    ranking.text = without(query.text, query.not_text);
    if (has_icu_caption(collection)) ranking.text_words = segmented_query(ranking.text);
  }
  return ranking;
}

SearchResult search(Connection& connection, const Collection& collection,
                    const QueryVectors& vectors, const Query& query) {
  const auto start = std::chrono::steady_clock::now();
  SearchResult result;
  result.collection = collection.name;
  const RankingQuery ranking = prepare(connection, collection, vectors, query);
  result.mode = ranking.mode;
  result.encode_ms = milliseconds_since(start);

  const auto ranking_start = std::chrono::steady_clock::now();
  result.hits = rank(connection, collection, ranking);
  result.search_ms = milliseconds_since(ranking_start);
  result.total_ms = milliseconds_since(start);
  return result;
}

SearchResult search(Connection& connection, const Collection& collection, const Encoder* encoder,
                    const Query& query) {
  const auto start = std::chrono::steady_clock::now();
  const QueryVectors vectors = encode_parts(collection, encoder, query);
  const double encode_ms = milliseconds_since(start);
  SearchResult result = search(connection, collection, vectors, query);
  result.encode_ms += encode_ms;
  result.total_ms += encode_ms;
  return result;
}

}  // namespace pgmmr
