#include "http/gradio_functions.h"

#include <cmath>

#include "http/base64.h"
#include "http/json_body.h"
#include "http/picture_fetch.h"
#include "http/problem.h"
#include "http/search_call.h"
#include "search/hit_caption.h"

namespace pgmmr {
namespace {

using Json = nlohmann::ordered_json;

struct Parameter {
  const char *name, *label, *component;
  Json fallback;         // null: it must be given
  const char* argument;  // which part of a search it is
};

struct Function {
  const char *name, *description, *output, *output_label;
  std::vector<Parameter> parameters;
};

// Their numbers in the protocol are their places here, from 1: an id of 0 loses its types in the
// JavaScript client.
const std::vector<Function>& functions() {
  static const std::vector<Function> all = {
      {"gradio_interface",
       "Pictures that fit the words.",
       "gallery",
       "Retrieved Images",
       {{"query", "Enter your query", "textbox", nullptr, "text"},
        {"num_results", "Number of results", "slider", 12, "k"}}},
      {"search",
       "The whole answer of a search: scores, ranks, fields.",
       "json",
       "Result",
       {{"query", "Words", "textbox", nullptr, "text"},
        {"collection", "Collection", "textbox", "", "collection"},
        {"mode", "auto, vector, keyword or hybrid", "textbox", "auto", "mode"},
        {"num_results", "Number of results", "slider", 12, "k"},
        {"unwanted", "What to stay away from", "textbox", "", "not"}}},
      {"search_image",
       "Pictures similar to a picture, and to words beside it.",
       "gallery",
       "Retrieved Images",
       {{"image", "Picture", "image", nullptr, "image"},
        {"query", "Words", "textbox", "", "text"},
        {"collection", "Collection", "textbox", "", "collection"},
        {"num_results", "Number of results", "slider", 12, "k"}}},
  };
  return all;
}

Json type_of(const std::string& component) {
  if (component == "slider") return {{"type", "number"}};
  if (component == "textbox") return {{"type", "string"}};
  if (component == "image") {
    return {{"type", "object"},
            {"title", "ImageData"},
            {"properties",
             {{"path", {{"type", "string"}}},
              {"url", {{"type", "string"}}},
              {"orig_name", {{"type", "string"}}},
              {"mime_type", {{"type", "string"}}},
              {"meta", {{"type", "object"}}}}}};
  }
  if (component == "gallery") return {{"type", "array"}, {"items", {{"type", "object"}}}};
  return {{"type", "object"}};
}

std::string title(std::string component) {
  if (component == "json") return "JSON";
  component[0] = static_cast<char>(component[0] - 'a' + 'A');
  return component;
}

const char* python_type(const std::string& component) {
  if (component == "slider") return "float";
  if (component == "textbox") return "str";
  if (component == "image") return "filepath";
  return component == "gallery" ? "list[dict]" : "dict";
}

std::string uploaded_bytes(Service& service, const nlohmann::json& value,
                           const UploadedBytes& uploaded, std::string& name) {
  // FileData, or for components that take several a bare path.
  const nlohmann::json* path = &value;
  name = "upload";
  if (value.is_object()) {
    if (value.contains("orig_name") && value.at("orig_name").is_string()) {
      name = value.at("orig_name").get<std::string>();
    }
    if (value.contains("path") && value.at("path").is_string()) {
      path = &value.at("path");
    } else if (value.contains("url")) {
      path = &value.at("url");
    }
  }
  if (!path->is_string()) throw mistake("image", describe(*path), "an uploaded file");
  const auto text = path->get<std::string>();
  if (auto bytes = uploaded(text)) return *bytes;
  if (is_data_url(text) || text.starts_with("http://") || text.starts_with("https://")) {
    return image_bytes(service, text, "image");
  }
  throw mistake("image", "a path that was not uploaded here", "an uploaded file or an address");
}

Json gallery(const SearchAnswer& answer, const std::string& root) {
  Json entries = Json::array();
  for (const RankedRow& row : answer.result.hits) {
    const std::string path = "picture/" + answer.collection.name + "/" + row.key;
    const std::string caption = hit_caption(answer.collection, row, answer.query.text);
    Json image = {{"path", path},
                  {"url", root + picture_path(answer.collection.name, row.key)},
                  {"size", nullptr},
                  {"orig_name", row.key.substr(row.key.rfind('/') + 1)},
                  {"mime_type", nullptr},
                  {"is_stream", false},
                  {"meta", {{"_type", "gradio.FileData"}}}};
    entries.push_back(
        {{"image", std::move(image)}, {"caption", caption.empty() ? Json() : Json(caption)}});
  }
  return entries;
}

}  // namespace

Json gradio_config(const std::string& root, const std::string& version) {
  Json components = Json::array(), dependencies = Json::array(), ids = Json::array(),
       numbers = Json::array();
  int next = 1;
  const auto component = [&](const std::string& type, const std::string& name,
                             const std::string& label) {
    components.push_back({{"id", next},
                          {"type", type},
                          {"props", {{"name", type}, {"label", label}, {"elem_id", name}}},
                          {"skip_api", false},
                          {"component_class_id", type},
                          {"api_info", type_of(type)}});
    ids.push_back(next);
    return next++;
  };
  int number = 0;
  for (const Function& function : functions()) {
    Json inputs = Json::array();
    for (const Parameter& one : function.parameters) {
      inputs.push_back(component(one.component, one.name, one.label));
    }
    const int output = component(function.output, "output", function.output_label);
    const int button = component("button", "button", "Search");
    numbers.push_back(++number);
    dependencies.push_back({{"id", number},
                            {"targets", Json::array({Json::array({button, "click"})})},
                            {"inputs", inputs},
                            {"outputs", Json::array({output})},
                            {"backend_fn", true},
                            {"js", nullptr},
                            {"queue", true},
                            {"api_name", function.name},
                            {"api_description", function.description},
                            {"api_visibility", "public"},
                            {"show_api", true},
                            {"scroll_to_output", false},
                            {"show_progress", "full"},
                            {"batch", false},
                            {"max_batch_size", 4},
                            {"cancels", Json::array()},
                            {"types", {{"generator", false}, {"cancel", false}}},
                            {"collects_event_data", false},
                            {"trigger_after", nullptr},
                            {"trigger_only_on_success", false},
                            {"trigger_mode", "once"},
                            {"connection", "sse"},
                            {"rendered_in", nullptr}});
  }
  const Json layout = {{"id", 0}, {"children", Json::array()}};
  // The version is of the protocol spoken, Gradio's, not ours.
  return {{"version", "5.49.0"},
          {"protocol", "sse_v3"},
          {"api_prefix", "/gradio_api"},
          {"mode", "blocks"},
          {"root", root},
          {"app_id", version},
          {"dev_mode", false},
          {"analytics_enabled", false},
          {"enable_queue", true},
          {"show_error", true},
          {"show_api", true},
          {"is_colab", false},
          {"is_space", false},
          {"space_id", nullptr},
          {"connect_heartbeat", false},
          {"run_history", false},
          {"max_file_size", nullptr},
          {"username", nullptr},
          {"title", "pgmmr"},
          {"theme_hash", ""},
          {"css", nullptr},
          {"js", nullptr},
          {"head", nullptr},
          {"components", components},
          {"dependencies", dependencies},
          {"layout", layout},
          {"pages", Json::array({Json::array({"", "Home", false})})},
          {"page", {{"", {{"components", ids}, {"dependencies", numbers}, {"layout", layout}}}}}};
}

Json gradio_info() {
  Json named = Json::object();
  for (const Function& function : functions()) {
    Json parameters = Json::array();
    for (const Parameter& one : function.parameters) {
      const bool has_default = !one.fallback.is_null();
      const std::string component = one.component;
      parameters.push_back(
          {{"label", one.label},
           {"parameter_name", one.name},
           {"parameter_has_default", has_default},
           {"parameter_default", one.fallback},
           {"type", type_of(component)},
           {"python_type", {{"type", python_type(component)}, {"description", ""}}},
           {"component", title(component)},
           {"example_input", component == "slider" ? Json(12) : Json("a dog in the snow")}});
    }
    named["/" + std::string(function.name)] = {
        {"parameters", parameters},
        {"returns", Json::array({{{"label", function.output_label},
                                  {"type", type_of(function.output)},
                                  {"python_type",
                                   {{"type", python_type(function.output)}, {"description", ""}}},
                                  {"component", title(function.output)}}})},
        {"api_visibility", "public"},
        {"show_api", true},
        {"description", function.description}};
  }
  return {{"named_endpoints", named}, {"unnamed_endpoints", Json::object()}};
}

std::optional<int> gradio_function(const std::string& name) {
  for (std::size_t i = 0; i < functions().size(); ++i) {
    if (name == functions()[i].name) return static_cast<int>(i) + 1;
  }
  return std::nullopt;
}

bool is_gradio_function(int id) { return id >= 1 && id <= static_cast<int>(functions().size()); }

std::vector<nlohmann::json> gradio_arguments(int id, const nlohmann::json& named) {
  std::vector<nlohmann::json> arguments;
  for (const Parameter& one : functions().at(static_cast<std::size_t>(id) - 1).parameters) {
    const auto found = named.find(one.name);
    arguments.push_back(found == named.end() ? nlohmann::json(one.fallback) : *found);
  }
  return arguments;
}

Json call_gradio(Service& service, int id, const std::vector<nlohmann::json>& arguments,
                 const std::string& root, const UploadedBytes& uploaded) {
  const Function& function = functions().at(static_cast<std::size_t>(id) - 1);
  if (arguments.size() > function.parameters.size()) {
    throw mistake("data", std::to_string(arguments.size()) + " values",
                  "at most " + std::to_string(function.parameters.size()));
  }
  nlohmann::json fields = nlohmann::json::object();
  std::string image, image_name;
  for (std::size_t i = 0; i < function.parameters.size(); ++i) {
    const Parameter& parameter = function.parameters[i];
    nlohmann::json value = i < arguments.size() && !arguments[i].is_null()
                               ? arguments[i]
                               : nlohmann::json(parameter.fallback);
    const std::string argument = parameter.argument;
    if (value.is_null()) {
      throw mistake(parameter.name, "missing", "a value");
    } else if (argument == "image") {
      image = uploaded_bytes(service, value, uploaded, image_name);
    } else {
      // Sliders give 12.0, and some clients "12".
      if (argument == "k" && value.is_number_float() &&
          std::abs(value.get<double>()) <= kMostHits) {
        value = static_cast<int>(std::lround(value.get<double>()));
      }
      fields[argument] = std::move(value);
    }
  }
  WebRequest request;
  request.method = "POST";
  request.headers["content-type"] = "application/json";
  request.body = fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  SearchCall call = read_search(request);
  call.image = std::move(image);
  if (!call.image.empty()) call.query.picture_name = image_name;
  const SearchAnswer answer = run_search(service, std::move(call));
  if (std::string(function.output) == "json") return Json::array({Json::parse(to_json(answer))});
  return Json::array({gallery(answer, root)});
}

}  // namespace pgmmr
