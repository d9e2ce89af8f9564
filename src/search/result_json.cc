// Search results as JSON, the contract of the command line and of the HTTP API: keys in a fixed
// order, a hit's own columns as the database wrote them.
#include <cmath>
#include <utility>

#include "search/json_text.h"
#include "search/search.h"

namespace pgmmr {
namespace {

double tenths(double value) { return std::round(value * 10) / 10; }

}  // namespace

void append_json(std::string& json, const RankedRow& hit) {
  const auto number = [&](const char* name, const std::optional<int>& value) {
    json += name;
    json += value ? std::to_string(*value) : "null";
  };
  json += "{\"key\":";
  append_json(json, hit.key);
  json += ",\"score\":";
  append_json(json, hit.score);
  json += ",\"similarity\":";
  append_json(json, hit.similarity.value_or(std::nan("")));
  number(",\"vector_rank\":", hit.vector_rank);
  number(",\"keyword_rank\":", hit.keyword_rank);
  json += ",\"image\":";
  append_json(json, hit.image_uri);
  number(",\"width\":", hit.width);
  number(",\"height\":", hit.height);
  // Spliced in as they are: reading and writing them again would round numeric columns.
  json += ",\"fields\":";
  json += hit.fields.empty() ? "{}" : hit.fields;
  json += '}';
}

std::string json_head(const SearchResult& result, const Query& query) {
  std::string json = "{\"collection\":";
  append_json(json, result.collection);
  json += ",\"mode\":";
  append_json(json, mode_name(result.mode));
  json += ",\"query\":{";
  bool first = true;
  const auto echo = [&](const char* name, const std::string& value) {
    if (!std::exchange(first, false)) json += ',';
    json += name;
    append_json(json, value);
  };
  if (!query.text.empty()) echo("\"text\":", query.text);
  if (!query.not_text.empty()) echo("\"not\":", query.not_text);
  if (query.picture) echo("\"image\":", query.picture_name);
  if (!query.like_key.empty()) echo("\"like\":", query.like_key);
  if (!query.where.empty()) echo("\"where\":", query.where);
  json += "},\"took_ms\":{\"encode\":";
  append_json(json, tenths(result.encode_ms));
  json += ",\"search\":";
  append_json(json, tenths(result.search_ms));
  json += ",\"total\":";
  append_json(json, tenths(result.total_ms));
  return json + "},\"hits\":[";
}

std::string to_json(const SearchResult& result, const Query& query) {
  std::string text = json_head(result, query);
  for (std::size_t i = 0; i < result.hits.size(); ++i) {
    if (i > 0) text += ',';
    append_json(text, result.hits[i]);
  }
  return text + "]}";
}

}  // namespace pgmmr
