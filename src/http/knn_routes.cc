// clip-retrieval's back end (clip_retrieval/clip_back.py): its front end and its ClipClient find
// their collections here. The ids it speaks of are numbers; keys are text, so an id here is a key.
// Left out: filters (deduplicate, use_safety_model, use_violence_detector), aesthetic_score and
// modality are taken and do nothing.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "http/api_routes.h"
#include "http/json_body.h"
#include "http/problem.h"
#include "http/search_call.h"
#include "search/hit_caption.h"
#include "store/row.h"

namespace pgmmr {
namespace {

using Json = nlohmann::ordered_json;

std::string text_or_empty(const nlohmann::json& body, const char* name) {
  const auto found = body.find(name);
  if (found == body.end() || found->is_null()) return "";
  if (!found->is_string()) throw mistake(name, describe(*found), "text");
  return found->get<std::string>();
}

int number_or(const nlohmann::json& body, const char* name, int fallback) {
  const auto found = body.find(name);
  if (found == body.end() || found->is_null()) return fallback;
  if (!found->is_number_integer() || found->get<std::int64_t>() < 1) {
    throw mistake(name, describe(*found), "a whole number above 0");
  }
  return static_cast<int>(std::min<std::int64_t>(found->get<std::int64_t>(), kMostHits));
}

std::vector<float> embedding_of(const nlohmann::json& body) {
  std::vector<float> embedding;
  const auto found = body.find("embedding_input");
  if (found == body.end() || found->is_null()) return embedding;
  const auto is_number = [](const nlohmann::json& one) { return one.is_number(); };
  if (!found->is_array() || found->empty() ||
      !std::all_of(found->begin(), found->end(), is_number)) {
    throw mistake("embedding_input", describe(*found), "a list of numbers");
  }
  for (const auto& one : *found) embedding.push_back(one.get<float>());
  return embedding;
}

// Of num_result_ids hits the first num_images come with what there is to show; the front end asks
// /metadata for the others as one scrolls.
WebReply knn(Service& service, WebRequest& request) {
  const nlohmann::json body = parse_json_object(request.body);
  SearchCall call;
  call.collection = text_or_empty(body, "indice_name");
  call.query.text = text_or_empty(body, "text");
  call.query.mode = SearchMode::kVector;
  const int shown = number_or(body, "num_images", 100);
  call.query.limit = number_or(body, "num_result_ids", shown);
  call.embedding = embedding_of(body);
  if (const std::string image = text_or_empty(body, "image"); !image.empty()) {
    call.image = image_bytes(service, image, "image");
    call.query.picture_name = "upload";
  } else {
    call.image_url = text_or_empty(body, "image_url");
    call.query.picture_name = call.image_url;
  }
  const SearchAnswer answer = run_search(service, std::move(call));
  Json hits = Json::array();
  for (const RankedRow& row : answer.result.hits) {
    Json hit = {{"id", row.key}, {"similarity", row.similarity.value_or(row.score)}};
    if (static_cast<int>(hits.size()) < shown) {
      hit["url"] = request.root() + picture_path(answer.collection.name, row.key);
      hit["caption"] = hit_caption(answer.collection, row, answer.query.text);
    }
    hits.push_back(std::move(hit));
  }
  return json_reply(to_text(hits));
}

WebReply metadata(Service& service, WebRequest& request) {
  const nlohmann::json body = parse_json_object(request.body);
  const Collection collection = service.collection(text_or_empty(body, "indice_name"));
  const auto ids = body.find("ids");
  if (ids == body.end() || !ids->is_array() || ids->size() > 1000) {
    throw mistake("ids", ids == body.end() ? "missing" : describe(*ids), "a list of at most 1000");
  }
  Json rows = Json::array();
  service.pool.with([&](Connection& connection) {
    rows = Json::array();
    for (const auto& id : *ids) {
      if (!id.is_string()) throw mistake("ids", describe(id), "keys, as /knn-service gives them");
      const auto row = find_row(connection, collection, id.get<std::string>());
      if (!row) continue;
      Json fields = Json::parse(row->fields, nullptr, false);
      fields["caption"] = hit_caption(collection, *row, "");
      fields["url"] = request.root() + picture_path(collection.name, row->key);
      rows.push_back({{"id", row->key}, {"metadata", std::move(fields)}});
    }
  });
  return json_reply(to_text(rows));
}

}  // namespace

void add_knn_routes(Routes& routes, Service& service) {
  routes.add("GET", "/indices-list", Access::kToken, [&service](WebRequest&, const PathParts&) {
    Json names = Json::array();
    for (const ServedCollection& one : *service.collections()) names.push_back(one.collection.name);
    return json_reply(to_text(names));
  });
  routes.add("POST", "/knn-service", Access::kToken,
             [&service](WebRequest& request, const PathParts&) { return knn(service, request); });
  routes.add(
      "POST", "/metadata", Access::kToken,
      [&service](WebRequest& request, const PathParts&) { return metadata(service, request); });
}

}  // namespace pgmmr
