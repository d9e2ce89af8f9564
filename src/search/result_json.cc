// Search results as JSON, the contract of the command line and of the HTTP API: keys in a fixed
// order, a hit's own columns as the database wrote them.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "search/search.h"

namespace pgmmr {
namespace {

using Json = nlohmann::ordered_json;

// Vectors are stored with 11 bits: more digits than these are noise.
double six_digits(double value) {
  return std::isfinite(value) ? std::stod(fmt::format("{:.6g}", value)) : value;
}

double tenths(double value) { return std::round(value * 10) / 10; }

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string to_json(const RankedRow& hit) {
  Json json;
  json["key"] = hit.key;
  json["score"] = six_digits(hit.score);
  json["similarity"] = hit.similarity ? Json(six_digits(*hit.similarity)) : Json();
  json["vector_rank"] = hit.vector_rank ? Json(*hit.vector_rank) : Json();
  json["keyword_rank"] = hit.keyword_rank ? Json(*hit.keyword_rank) : Json();
  json["image"] = hit.image_uri;
  json["width"] = hit.width;
  json["height"] = hit.height;
  std::string text = dump(json);
  // Spliced in as they are: reading and writing them again would round numeric columns.
  text.pop_back();
  text += ",\"fields\":";
  text += hit.fields.empty() ? "{}" : hit.fields;
  text += '}';
  return text;
}

std::string to_json(const SearchResult& result, const Query& query) {
  Json echo = Json::object();
  if (!query.text.empty()) echo["text"] = query.text;
  if (!query.not_text.empty()) echo["not"] = query.not_text;
  if (query.picture) echo["image"] = query.picture_name;
  if (!query.like_key.empty()) echo["like"] = query.like_key;
  if (!query.where.empty()) echo["where"] = query.where;
  Json head;
  head["collection"] = result.collection;
  head["mode"] = mode_name(result.mode);
  head["query"] = std::move(echo);
  head["took_ms"] = {{"encode", tenths(result.encode_ms)},
                     {"search", tenths(result.search_ms)},
                     {"total", tenths(result.total_ms)}};
  std::string text = dump(head);
  text.pop_back();
  text += ",\"hits\":[";
  for (std::size_t i = 0; i < result.hits.size(); ++i) {
    if (i > 0) text += ',';
    text += to_json(result.hits[i]);
  }
  text += "]}";
  return text;
}

}  // namespace pgmmr
