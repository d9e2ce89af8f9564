// Embeddings for whoever has a client of OpenAI's, Infinity's, Jina's or vLLM's API.
//
// One request shape after the other is recognised by what it holds: `messages` is vLLM's chat form,
// objects in `input` are Jina's, `modality: image` is Infinity's, the rest is OpenAI's. All answers
// have OpenAI's shape. Sources: developers.openai.com embeddings reference; michaelfeil/infinity
// pymodels.py; jina.ai embeddings API; vLLM's openai_chat_embedding_client_for_multimodal example.
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "http/api_routes.h"
#include "http/base64.h"
#include "http/json_body.h"
#include "http/problem.h"
#include "http/search_call.h"

namespace pgmmr {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostInputs = 256;

// What becomes one vector: the sum of its parts' unit vectors.
struct Input {
  std::vector<std::string> texts, images;
};

std::string text_of(const nlohmann::json& value, const std::string& field) {
  if (!value.is_string()) throw mistake(field, describe(value), "text");
  auto text = value.get<std::string>();
  if (text.empty()) throw mistake(field, "empty", "text");
  if (text.size() > kMostText * 10 || !is_utf8(text)) {
    throw mistake(field, std::to_string(text.size()) + " bytes", "at most 100,000 of UTF-8");
  }
  return text;
}

std::string image_of(const nlohmann::json& value, const std::string& field) {
  const nlohmann::json* url = &value;
  if (value.is_object() && value.contains("url")) url = &value.at("url");
  if (!url->is_string()) throw mistake(field, describe(*url), "a picture's address or its base64");
  return url->get<std::string>();
}

// An element of `input`.
Input read_input(const nlohmann::json& value, const std::string& field, bool is_image) {
  Input input;
  if (value.is_object()) {
    for (const auto& [name, part] : value.items()) {
      if (name == "text") {
        input.texts.push_back(text_of(part, field + ".text"));
      } else if (name == "image" || name == "url" || name == "image_url") {
        input.images.push_back(image_of(part, field + "." + name));
      }
    }
    if (input.texts.empty() && input.images.empty()) {
      throw mistake(field, "an object without text or image", "one with either");
    }
  } else if (is_image) {
    input.images.push_back(image_of(value, field));
  } else if (value.is_string() && is_data_url(value.get_ref<const std::string&>())) {
    input.images.push_back(value.get<std::string>());
  } else {
    input.texts.push_back(text_of(value, field));
  }
  return input;
}

Input read_messages(const nlohmann::json& messages) {
  if (!messages.is_array()) throw mistake("messages", describe(messages), "a list");
  Input input;
  for (const auto& message : messages) {
    if (!message.is_object() || !message.contains("content")) {
      throw mistake("messages", "one without content", "objects with role and content");
    }
    const auto& content = message.at("content");
    if (content.is_string()) {
      if (!content.get_ref<const std::string&>().empty()) {
        input.texts.push_back(text_of(content, "messages.content"));
      }
      continue;
    }
    if (!content.is_array()) throw mistake("messages.content", describe(content), "text or a list");
    for (const auto& part : content) {
      if (part.is_object() && part.contains("text")) {
        input.texts.push_back(text_of(part.at("text"), "messages.content.text"));
      } else if (part.is_object() && part.contains("image_url")) {
        input.images.push_back(image_of(part.at("image_url"), "messages.content.image_url"));
      } else {
        throw mistake("messages.content", describe(part), "parts of type text or image_url");
      }
    }
  }
  return input;
}

std::vector<Input> read_inputs(const nlohmann::json& body, bool images) {
  if (body.contains("messages")) return {read_messages(body.at("messages"))};
  if (!body.contains("input")) throw mistake("input", "missing", "text, or a list of texts");
  const auto& given = body.at("input");
  if (!given.is_array()) return {read_input(given, "input", images)};
  if (given.empty() || given.size() > kMostInputs) {
    throw mistake("input", "a list of " + std::to_string(given.size()), "1 to 256 elements");
  }
  if (given.front().is_number()) {
    throw mistake("input", "token ids",
                  "text: ids of another model's vocabulary mean nothing here");
  }
  std::vector<Input> inputs;
  for (std::size_t i = 0; i < given.size(); ++i) {
    inputs.push_back(read_input(given[i], "input[" + std::to_string(i) + "]", images));
  }
  return inputs;
}

std::vector<std::vector<float>> embed(Service& service, const Encoder& encoder,
                                      const std::vector<Input>& inputs) {
  std::vector<std::string> texts;
  for (const Input& input : inputs) {
    texts.insert(texts.end(), input.texts.begin(), input.texts.end());
  }
  const auto encoded = service.executor.encode_texts(encoder, texts);
  std::vector<std::vector<float>> vectors;
  std::size_t next = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::vector<double> sum(static_cast<std::size_t>(encoder.dim()));
    const auto add = [&](const std::vector<float>& values) {
      for (std::size_t at = 0; at < sum.size(); ++at) sum[at] += values[at];
    };
    for (std::size_t n = 0; n < inputs[i].texts.size(); ++n) add(*encoded[next++]);
    for (const std::string& image : inputs[i].images) {
      const std::string name = "input[" + std::to_string(i) + "]";
      add(*encode_image_bytes(service, encoder, image_bytes(service, image, name), name));
    }
    double length = 0;
    for (const double value : sum) length += value * value;
    length = std::sqrt(length);
    if (!(length > 1e-6)) throw mistake("input", "parts that cancel out", "something to embed");
    std::vector<float>& vector = vectors.emplace_back();
    for (const double value : sum) vector.push_back(static_cast<float>(value / length));
  }
  return vectors;
}

std::string little_endian(const std::vector<float>& vector) {
  static_assert(std::endian::native == std::endian::little);
  std::string bytes(vector.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), vector.data(), bytes.size());
  return bytes;
}

std::string string_or(const nlohmann::json& body, const char* name, const std::string& fallback) {
  const auto found = body.find(name);
  if (found == body.end() || found->is_null()) return fallback;
  if (!found->is_string()) throw mistake(name, describe(*found), "text");
  return found->get<std::string>();
}

WebReply embeddings(Service& service, const WebRequest& request, bool images) {
  const Service::Admission admission(service);
  const nlohmann::json body = parse_json_object(request.body);
  const std::string format =
      string_or(body, "encoding_format", string_or(body, "embedding_type", "float"));
  if (format != "float" && format != "base64") {
    throw mistake("encoding_format", '"' + format.substr(0, 40) + '"', "float or base64");
  }
  const std::string modality = string_or(body, "modality", "text");
  if (modality != "text" && modality != "image") {
    throw mistake("modality", '"' + modality.substr(0, 40) + '"', "text or image");
  }
  const Encoder& encoder = service.encoder_named(string_or(body, "model", ""));
  if (const auto dims = body.find("dimensions");
      dims != body.end() && !dims->is_null() &&
      (!dims->is_number_integer() || dims->get<std::int64_t>() != encoder.dim())) {
    throw mistake("dimensions", describe(*dims), std::to_string(encoder.dim()));
  }
  const auto inputs = read_inputs(body, images || modality == "image");
  std::size_t pictures = 0, words = 0;
  for (const Input& input : inputs) {
    pictures += input.images.size();
    for (const std::string& text : input.texts) words += 2 + text.size() / 4;
  }
  if (pictures > 32) throw mistake("input", std::to_string(pictures) + " pictures", "at most 32");
  const auto vectors = embed(service, encoder, inputs);
  Json data = Json::array();
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    Json one = {{"object", "embedding"}, {"index", i}};
    if (format == "base64") {
      one["embedding"] = encode_base64(little_endian(vectors[i]));
    } else {
      one["embedding"] = vectors[i];
    }
    data.push_back(std::move(one));
  }
  return json_reply(to_text({{"object", "list"},
                             {"data", std::move(data)},
                             {"model", encoder.info().id},
                             {"usage", {{"prompt_tokens", words}, {"total_tokens", words}}}}));
}

// OpenAI's clients read {"error":{…}}, not problem+json.
RouteHandler with_openai_errors(RouteHandler handler) {
  return [handler = std::move(handler)](WebRequest& request, const PathParts& parts) {
    try {
      return handler(request, parts);
    } catch (const Problem& problem) {
      const Json param = problem.mistakes.empty() ? Json() : Json(problem.mistakes.front().field);
      WebReply reply = json_reply(
          to_text({{"error",
                    {{"message", problem.what()},
                     {"type", problem.status < 500 ? "invalid_request_error" : "server_error"},
                     {"param", param},
                     {"code", problem.status}}}}),
          problem.status);
      reply.headers = problem.headers;
      return reply;
    }
  };
}

}  // namespace

void add_embedding_routes(Routes& routes, Service& service) {
  const auto texts = with_openai_errors([&service](WebRequest& request, const PathParts&) {
    return embeddings(service, request, false);
  });
  const auto images = with_openai_errors([&service](WebRequest& request, const PathParts&) {
    return embeddings(service, request, true);
  });
  const auto models = [&service](WebRequest&, const PathParts&) {
    Json data = Json::array();
    for (const ModelInfo& one : service.models()) {
      data.push_back({{"id", one.id},
                      {"object", "model"},
                      {"created", 0},
                      {"owned_by", "pgmmr"},
                      {"capabilities", {"embed", "image_embed"}},
                      {"dimensions", one.dim}});
    }
    return json_reply(to_text({{"object", "list"}, {"data", std::move(data)}}));
  };
  for (const char* path : {"/v1/embeddings", "/embeddings"}) {
    routes.add("POST", path, Access::kToken, texts);
  }
  for (const char* path : {"/v1/embeddings_image", "/embeddings_image"}) {
    routes.add("POST", path, Access::kToken, images);
  }
  for (const char* path : {"/v1/models", "/models"}) {
    routes.add("GET", path, Access::kToken, models);
  }
}

}  // namespace pgmmr
