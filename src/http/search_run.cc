// Running a search: picture to bytes to vector on the workers, ranking on a pooled connection, and
// the answer as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "http/api_routes.h"
#include "http/base64.h"
#include "http/json_body.h"
#include "http/picture_fetch.h"
#include "http/problem.h"
#include "http/search_call.h"
#include "hub/http.h"
#include "image/decode.h"
#include "search/hit_caption.h"
#include "search/json_text.h"
#include "search/matched_words.h"

namespace pgmmr {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// ,"caption":…,"thumbnail":…,"picture":… of a hit.
void append_links(std::string& json, const Collection& collection, const RankedRow& row,
                  const std::string& text) {
  json += ",\"caption\":";
  append_json(json, hit_caption(collection, row, text));
  json += ",\"thumbnail\":";
  append_json(json, thumbnail_path(collection.name, row.key));
  json += ",\"picture\":";
  append_json(json, picture_path(collection.name, row.key));
}

// A vector from outside, scaled to length one.
std::vector<float> unit_vector(std::vector<float> values, int dim) {
  if (static_cast<int>(values.size()) != dim) {
    throw Problem(400,
                  fmt::format("the embedding has {} numbers, expected {}", values.size(), dim));
  }
  Matrix one(1, dim);
  std::copy(values.begin(), values.end(), one.row(0).begin());
  try {
    normalise_rows(one);
  } catch (const Error&) {
    throw Problem(400,
                  "the embedding has no direction, expected finite numbers that are not all 0");
  }
  std::copy(one.row(0).begin(), one.row(0).end(), values.begin());
  return values;
}

}  // namespace

std::string thumbnail_path(const std::string& collection, const std::string& key) {
  return "/api/v1/collections/" + collection + "/thumbnail?key=" + url_quote(key, true);
}

std::string picture_path(const std::string& collection, const std::string& key) {
  return "/api/v1/collections/" + collection + "/picture?key=" + url_quote(key, true);
}

Embedding encode_image_bytes(Service& service, const Encoder& encoder, const std::string& bytes,
                             const std::string& name) {
  return service.executor.encode_picture(encoder, sha256_hex(bytes), [&] {
    const auto start = Clock::now();
    DecodeOptions options;
    options.max_pixels = service.settings.pixels;
    options.enough_edge = encoder.enough_edge();
    try {
      Picture picture = decode_picture(bytes, name, options);
      service.metrics.observe_stage("decode", seconds_since(start));
      return picture;
    } catch (const Error& error) {
      switch (error.kind()) {
        case ErrorKind::kInvalidArgument:
          throw Problem(413, error.what());
        case ErrorKind::kCorrupt:
        case ErrorKind::kUnsupported:
          throw Problem(415, error.what());
        default:
          throw;
      }
    }
  });
}

std::string image_bytes(Service& service, const std::string& text, const std::string& field) {
  if (text.starts_with("http://") || text.starts_with("https://")) {
    return fetch_picture(service, text);
  }
  const auto bytes = is_data_url(text) ? decode_data_url(text) : decode_base64(text);
  if (!bytes || bytes->empty()) {
    throw mistake(field, "not base64", "a picture in base64, a data: URL or an http(s) address");
  }
  return *bytes;
}

SearchAnswer run_search(Service& service, SearchCall call) {
  const Service::Admission admission(service);
  const auto start = Clock::now();
  SearchAnswer answer;
  answer.collection = service.collection(call.collection);
  answer.query = std::move(call.query);
  answer.offset = call.offset;
  Query& query = answer.query;
  if (!call.image_url.empty()) {
    call.image = fetch_picture(service, call.image_url);
    service.metrics.observe_stage("fetch", seconds_since(start));
  }
  if (!call.image.empty() || !call.embedding.empty()) query.picture.emplace();

  const int wanted = query.limit;
  query.limit = wanted + answer.offset;
  const QueryParts parts = parts_to_encode(answer.collection, query);
  QueryVectors vectors;
  Executor::Turn turn(service.executor);
  const auto encoding = Clock::now();
  if (parts.text || parts.not_text || parts.picture) {
    const Encoder& encoder = service.encoder_of(answer.collection);
    std::vector<std::string> texts;
    if (parts.text) texts.push_back(query.text);
    if (parts.not_text) texts.push_back(query.not_text);
    const auto encoded = service.executor.encode_texts(encoder, texts, &turn);
    if (parts.text) vectors.text = *encoded.front();
    if (parts.not_text) vectors.not_text = *encoded.back();
    if (parts.picture && call.image.empty()) {
      vectors.picture = unit_vector(std::move(call.embedding), answer.collection.dim);
    } else if (parts.picture) {
      vectors.picture = *encode_image_bytes(service, encoder, call.image, query.picture_name);
    }
  }
  const double encode_s = seconds_since(encoding);
  if (needs_encoder(answer.collection, query)) service.metrics.observe_stage("encode", encode_s);

  const auto ranking = Clock::now();
  service.pool.with([&](Connection& connection) {
    answer.result = search(connection, answer.collection, vectors, query);
    auto& hits = answer.result.hits;
    answer.more =
        static_cast<int>(hits.size()) == query.limit && query.limit < kMostHits + kMostOffset;
    hits.erase(hits.begin(),
               hits.begin() + std::min<std::ptrdiff_t>(answer.offset,
                                                       static_cast<std::ptrdiff_t>(hits.size())));
    answer.matched = matched_words(connection, answer.collection, hits, query.text);
  });
  turn.end();
  const double search_s = seconds_since(ranking);
  service.metrics.observe_stage("search", search_s);
  query.limit = wanted;
  answer.result.encode_ms = encode_s * 1000;
  answer.result.search_ms = search_s * 1000;
  answer.result.total_ms = seconds_since(start) * 1000;
  return answer;
}

std::string to_json(const SearchAnswer& answer) {
  std::string text = json_head(answer.result, answer.query);
  for (std::size_t i = 0; i < answer.result.hits.size(); ++i) {
    const RankedRow& row = answer.result.hits[i];
    if (i > 0) text += ',';
    append_json(text, row);
    text.pop_back();
    append_links(text, answer.collection, row, answer.query.text);
    text += ",\"matched\":[";
    for (std::size_t word = 0; word < answer.matched[i].size(); ++word) {
      if (word > 0) text += ',';
      append_json(text, answer.matched[i][word]);
    }
    text += "]}";
  }
  text += fmt::format("],\"offset\":{},\"more\":{}}}", answer.offset, answer.more);
  return text;
}

std::string item_json(const Collection& collection, const RankedRow& row) {
  const nlohmann::ordered_json json = {
      {"key", row.key}, {"image", row.image_uri}, {"width", row.width}, {"height", row.height}};
  std::string text = to_text(json);
  text.pop_back();
  text += ",\"fields\":" + (row.fields.empty() ? "{}" : row.fields);
  append_links(text, collection, row, "");
  return text + "}";
}

void add_search_routes(Routes& routes, Service& service) {
  const auto search = [&service](WebRequest& request, const PathParts&) {
    return json_reply(to_json(run_search(service, read_search(request))));
  };
  routes.add("GET", "/api/v1/search", Access::kToken, search);
  routes.add("POST", "/api/v1/search", Access::kToken, search);
}

}  // namespace pgmmr
