// Model Context Protocol over streamable HTTP, so that assistants can search: three tools that
// read.
//
// Two eras on one endpoint. Up to 2025-11-25 a client begins with `initialize` and a handshake;
// from 2026-07-28 every request carries its version in params._meta and there is no session.
// Source: modelcontextprotocol docs/specification of both. One JSON-RPC message a POST, answered as
// JSON; GET and DELETE, which open and end sessions, are 405.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "http/api_routes.h"
#include "http/base64.h"
#include "http/json_body.h"
#include "http/problem.h"
#include "http/search_call.h"
#include "image/decode.h"
#include "image/encode.h"
#include "search/hit_caption.h"
#include "search/hit_picture.h"
#include "store/row.h"

namespace pgmmr {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kModern = "2026-07-28";
constexpr std::array<const char*, 4> kLegacy = {"2025-11-25", "2025-06-18", "2025-03-26",
                                                "2024-11-05"};
constexpr const char* kVersionKey = "io.modelcontextprotocol/protocolVersion";
constexpr const char* kCapabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
constexpr const char* kInstructions =
    "Searches collections of pictures by words, by a picture's address, or by a row's key. Start "
    "with describe_collections.";
constexpr int kTtlMs = 3'600'000;
constexpr int kDefaultLimit = 10, kMostLimit = 100;
constexpr int kThumbnails = 8;  // sent along with a search's answer

// A JSON-RPC error, and the HTTP status that goes with it.
struct RpcError {
  int status, code;
  std::string message;
  Json data = nullptr;
};

Json string_schema(const char* description) {
  return {{"type", "string"}, {"description", description}};
}

Json tools() {
  const Json collection =
      string_schema("Name of the collection; may be left out where there is one");
  const Json limit = {
      {"type", "integer"}, {"minimum", 1}, {"maximum", kMostLimit}, {"default", kDefaultLimit}};
  const Json read_only = {{"readOnlyHint", true}, {"openWorldHint", false}};
  return Json::array(
      {{{"name", "search_images"},
        {"title", "Search pictures"},
        {"description",
         "Finds pictures by words, by the address of a picture, by the key of a row, or by several "
         "together. Returns keys, captions, scores and small pictures."},
        {"inputSchema",
         {{"type", "object"},
          {"properties",
           {{"query", string_schema("What to find")},
            {"image_url", string_schema("A picture to find similar ones of: http(s) or data:")},
            {"like", string_schema("The key of a row to find similar ones of")},
            {"negative", string_schema("What to stay away from")},
            {"mode", {{"type", "string"}, {"enum", {"auto", "vector", "keyword", "hybrid"}}}},
            {"collection", collection},
            {"limit", limit}}}}},
        {"annotations", read_only}},
       {{"name", "get_image"},
        {"title", "Get a picture"},
        {"description", "One row of a collection: its fields, and its picture scaled down."},
        {"inputSchema",
         {{"type", "object"},
          {"properties",
           {{"key", string_schema("The row's key")},
            {"collection", collection},
            {"max_side",
             {{"type", "integer"}, {"minimum", 64}, {"maximum", 1024}, {"default", 512}}}}},
          {"required", {"key"}}}},
        {"annotations", read_only}},
       {{"name", "describe_collections"},
        {"title", "Describe the collections"},
        {"description", "The collections there are: rows, model, captions, fields."},
        {"inputSchema", {{"type", "object"}, {"properties", Json::object()}}},
        {"annotations", read_only}}});
}

Json text_content(const std::string& text) { return {{"type", "text"}, {"text", text}}; }

Json image_content(const std::string& jpeg) {
  return {{"type", "image"}, {"data", encode_base64(jpeg)}, {"mimeType", "image/jpeg"}};
}

std::string small_picture(Service& service, const Collection& collection, const RankedRow& row,
                          int max_side) {
  std::string jpeg;
  const Picture picture = service.pool.with(
      [&](Connection& connection) { return hit_picture(connection, collection, row); });
  service.executor.run([&] { jpeg = encode_thumbnail(picture, max_side); });
  return jpeg;
}

// The tool's arguments as the fields of a search, by which its mistakes are told again.
constexpr std::array<std::pair<const char*, const char*>, 7> kSearchFields = {
    {{"query", "text"},
     {"image_url", "image_url"},
     {"like", "like"},
     {"negative", "not"},
     {"mode", "mode"},
     {"collection", "collection"},
     {"limit", "k"}}};

SearchCall read_arguments(const nlohmann::json& arguments) {
  nlohmann::json fields = {{"k", kDefaultLimit}};
  std::vector<FieldMistake> wrong;
  for (const auto& [name, value] : arguments.items()) {
    if (value.is_null()) continue;  // as if it were not there
    const auto found = std::find_if(kSearchFields.begin(), kSearchFields.end(),
                                    [&](const auto& one) { return name == one.first; });
    if (found == kSearchFields.end()) {
      wrong.push_back({name.substr(0, 60), "unknown",
                       "query, image_url, like, negative, mode, collection or limit"});
    } else if (name == "limit" && value.is_number_integer() && (value < 1 || value > kMostLimit)) {
      wrong.push_back({name, value.dump(), "1 to " + std::to_string(kMostLimit)});
    } else {
      fields[found->second] = value;
    }
  }
  WebRequest request;
  request.method = "POST";
  request.headers["content-type"] = "application/json";
  request.body = fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  try {
    SearchCall call = read_search(request);
    if (wrong.empty()) return call;
  } catch (const Problem& problem) {
    if (problem.mistakes.empty()) throw;
    for (FieldMistake one : problem.mistakes) {
      const auto found = std::find_if(kSearchFields.begin(), kSearchFields.end(),
                                      [&](const auto& pair) { return one.field == pair.second; });
      if (found != kSearchFields.end()) one.field = found->first;
      wrong.push_back(std::move(one));
    }
  }
  throw mistakes(std::move(wrong));
}

Json search_images(Service& service, const nlohmann::json& arguments) {
  const SearchAnswer answer = run_search(service, read_arguments(arguments));
  Json hits = Json::array(), content = Json::array();
  for (const RankedRow& row : answer.result.hits) {
    hits.push_back({{"key", row.key},
                    {"caption", hit_caption(answer.collection, row, answer.query.text)},
                    {"score", row.score},
                    {"similarity", row.similarity ? Json(*row.similarity) : Json()},
                    {"picture", picture_path(answer.collection.name, row.key)}});
  }
  const Json structured = {{"collection", answer.collection.name}, {"hits", hits}};
  content.push_back(text_content(to_text(structured)));
  for (std::size_t i = 0; i < std::min<std::size_t>(kThumbnails, answer.result.hits.size()); ++i) {
    try {
      content.push_back(
          image_content(small_picture(service, answer.collection, answer.result.hits[i], 256)));
    } catch (const Error&) {
      // A picture that is gone is no reason to keep the others back.
    }
  }
  return {{"content", content}, {"structuredContent", structured}, {"isError", false}};
}

Json get_image(Service& service, const nlohmann::json& arguments) {
  const auto key = arguments.find("key");
  if (key == arguments.end() || !key->is_string()) throw mistake("key", "missing", "text");
  const int side = arguments.contains("max_side") && arguments.at("max_side").is_number_integer()
                       ? static_cast<int>(std::clamp<std::int64_t>(
                             arguments.at("max_side").get<std::int64_t>(), 64, 1024))
                       : 512;
  const bool named = arguments.contains("collection") && arguments.at("collection").is_string();
  const Collection collection =
      service.collection(named ? arguments.at("collection").get<std::string>() : "");
  const auto row = service.pool.with([&](Connection& connection) {
    return find_row(connection, collection, key->get<std::string>());
  });
  if (!row) throw Problem(404, "no row of that key");
  const std::string item = item_json(collection, *row);
  return {{"content", Json::array({text_content(item),
                                   image_content(small_picture(service, collection, *row, side))})},
          {"structuredContent", Json::parse(item)},
          {"isError", false}};
}

Json describe_collections(Service& service) {
  Json all = Json::array();
  for (const ServedCollection& one : *service.collections()) {
    Json captions = Json::array(), fields = Json::array();
    for (const auto& caption : one.collection.captions) captions.push_back(caption.name);
    for (const auto& column : one.collection.columns) fields.push_back(column.name);
    all.push_back({{"name", one.collection.name},
                   {"rows", one.counts.rows},
                   {"model", one.collection.model_id},
                   {"captions", captions},
                   {"fields", fields}});
  }
  const Json structured = {{"collections", all}};
  return {{"content", Json::array({text_content(to_text(structured))})},
          {"structuredContent", structured},
          {"isError", false}};
}

// A tool's own failure is a result that says so: the assistant can read it and try again.
Json call_tool(Service& service, const nlohmann::json& params) {
  const auto name = params.find("name");
  const auto given = params.find("arguments");
  const nlohmann::json arguments =
      given != params.end() && given->is_object() ? *given : nlohmann::json::object();
  if (name == params.end() || !name->is_string()) {
    throw RpcError{200, -32602, "params.name is missing"};
  }
  const auto tool = name->get<std::string>();
  try {
    if (tool == "search_images") return search_images(service, arguments);
    if (tool == "get_image") return get_image(service, arguments);
    if (tool == "describe_collections") return describe_collections(service);
  } catch (...) {
    const Failure failure = failure_of(std::current_exception());
    return {{"content", Json::array({text_content(failure.told.what())})}, {"isError", true}};
  }
  throw RpcError{200, -32602, "no tool of that name"};
}

// "=?base64?…?=" or the text itself.
std::string header_text(const std::string& value) {
  if (!value.starts_with("=?base64?") || !value.ends_with("?=") || value.size() < 11) return value;
  return decode_base64(value.substr(9, value.size() - 11)).value_or(value);
}

class Message {
 public:
  Message(Service& service, const WebRequest& request) : service_(service), request_(request) {}

  WebReply answer() {
    Json id;
    try {
      const nlohmann::json message = parse_json_object(request_.body);
      if (message.contains("id")) id = message.at("id");
      const auto method = message.find("method");
      if (method == message.end() || !method->is_string()) {
        if (message.contains("result") || message.contains("error")) return accepted();
        throw RpcError{400, -32600, "not a JSON-RPC request"};
      }
      if (!message.contains("id")) return accepted();  // a notification
      nlohmann::json params = nlohmann::json::object();
      if (message.contains("params") && message.at("params").is_object()) {
        params = message.at("params");
      }
      Json result = dispatch(method->get<std::string>(), params);
      return json_reply(to_text({{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}}));
    } catch (const RpcError& error) {
      Json body = {{"code", error.code}, {"message", error.message}};
      if (!error.data.is_null()) body["data"] = error.data;
      return json_reply(to_text({{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(body)}}),
                        error.status);
    } catch (const Problem& problem) {
      return json_reply(to_text({{"jsonrpc", "2.0"},
                                 {"id", id},
                                 {"error", {{"code", -32700}, {"message", problem.what()}}}}),
                        problem.status);
    }
  }

 private:
  static WebReply accepted() {
    WebReply reply;
    reply.status = 202;
    return reply;
  }

  Json dispatch(const std::string& method, const nlohmann::json& params) {
    if (method == "initialize") return initialize(params);
    const auto meta = params.find("_meta");
    const bool is_modern =
        method == "server/discover" ||
        (meta != params.end() && meta->is_object() && meta->contains(kVersionKey)) ||
        request_.header("mcp-protocol-version") == kModern;
    if (is_modern) return modern(method, params);
    const std::string& version = request_.header("mcp-protocol-version");
    if (!version.empty() && !is_legacy(version)) throw unsupported(version);
    if (method == "ping") return Json::object();
    if (method == "tools/list") return {{"tools", tools()}};
    if (method == "tools/call") return call_tool(service_, params);
    throw RpcError{200, -32601, "no method of that name"};
  }

  static bool is_legacy(const std::string& version) {
    return std::find(kLegacy.begin(), kLegacy.end(), version) != kLegacy.end();
  }

  Json server_info() const {
    return {{"name", "pgmmr"}, {"title", "pgmmr"}, {"version", service_.settings.version}};
  }

  Json initialize(const nlohmann::json& params) const {
    std::string version = kLegacy.front();
    const auto asked = params.find("protocolVersion");
    if (asked != params.end() && asked->is_string() && is_legacy(asked->get<std::string>())) {
      version = asked->get<std::string>();
    }
    return {{"protocolVersion", version},
            {"capabilities", {{"tools", {{"listChanged", false}}}}},
            {"serverInfo", server_info()},
            {"instructions", kInstructions}};
  }

  static RpcError unsupported(const std::string& version) {
    Json supported = Json::array({kModern});
    for (const char* one : kLegacy) supported.push_back(one);
    return {400, -32022, "unsupported protocol version",
            Json{{"supported", supported}, {"requested", version}}};
  }

  Json modern(const std::string& method, const nlohmann::json& params) {
    const auto meta = params.find("_meta");
    if (meta == params.end() || !meta->is_object() || !meta->contains(kVersionKey) ||
        !meta->contains(kCapabilitiesKey) || !meta->at(kVersionKey).is_string()) {
      throw RpcError{400, -32602,
                     "params._meta lacks the protocol version or the client's "
                     "capabilities"};
    }
    const auto version = meta->at(kVersionKey).get<std::string>();
    if (version != kModern) throw unsupported(version);
    const auto differs = [&](const char* header, const std::string& value) {
      const std::string& given = request_.header(header);
      return header_text(given) != value;
    };
    const std::string name = params.contains("name") && params.at("name").is_string()
                                 ? params.at("name").get<std::string>()
                                 : "";
    if (differs("mcp-protocol-version", version) || differs("mcp-method", method) ||
        (method == "tools/call" && differs("mcp-name", name))) {
      throw RpcError{400, -32020, "a header and the body say different things"};
    }
    Json result;
    if (method == "server/discover") {
      Json versions = Json::array({kModern});
      for (const char* one : kLegacy) versions.push_back(one);
      result = {{"supportedVersions", versions},
                {"capabilities", {{"tools", Json::object()}}},
                {"_meta", {{"io.modelcontextprotocol/serverInfo", server_info()}}},
                {"instructions", kInstructions},
                {"ttlMs", kTtlMs},
                {"cacheScope", "public"}};
    } else if (method == "tools/list") {
      result = {{"tools", tools()}, {"ttlMs", kTtlMs}, {"cacheScope", "public"}};
    } else if (method == "tools/call") {
      result = call_tool(service_, params);
    } else if (method == "ping") {
      result = Json::object();
    } else {
      throw RpcError{404, -32601, "no method of that name"};
    }
    result["resultType"] = "complete";
    return result;
  }

  Service& service_;
  const WebRequest& request_;
};

}  // namespace

void add_mcp_routes(Routes& routes, Service& service) {
  for (const char* path : {"/mcp", "/gradio_api/mcp/", "/gradio_api/mcp"}) {
    routes.add("POST", path, Access::kToken, [&service](WebRequest& request, const PathParts&) {
      return Message(service, request).answer();
    });
  }
  routes.add("GET", "/gradio_api/mcp/schema", Access::kToken,
             [](WebRequest&, const PathParts&) { return json_reply(to_text(tools())); });
}

}  // namespace pgmmr
