// What Immich's server asks of its machine learning container, for CLIP: so this program can stand
// in its place. Source: immich machine-learning/app/main.py and server's
// machine-learning.repository.ts. Faces and text recognition are not answered.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "http/api_routes.h"
#include "http/json_body.h"
#include "http/problem.h"
#include "http/search_call.h"
#include "image/decode.h"

namespace pgmmr {
namespace {

std::string form_text(const WebRequest& request, const std::string& name) {
  if (const auto part = request.parts.find(name); part != request.parts.end()) {
    return part->second.content;
  }
  return request.param(name).value_or("");
}

// Immich passes the embedding on to PostgreSQL as it is: text.
std::string vector_text(const std::vector<float>& values) {
  return fmt::format("[{}]", fmt::join(values, ","));
}

WebReply predict(Service& service, WebRequest& request) {
  const Service::Admission admission(service);
  const nlohmann::json entries = parse_json_object(form_text(request, "entries"));
  if (entries.size() != 1 || !entries.contains("clip") || !entries.at("clip").is_object() ||
      entries.at("clip").size() != 1) {
    throw Problem(422, "entries is " + describe(entries) +
                           ", expected one task: clip, visual or "
                           "textual");
  }
  const auto task = entries.at("clip").items().begin();
  std::string model;
  if (task.value().is_object() && task.value().contains("modelName") &&
      task.value().at("modelName").is_string()) {
    model = task.value().at("modelName").get<std::string>();
  }
  const Encoder& encoder = service.encoder_named(model);
  if (task.key() == "textual") {
    const std::string text = form_text(request, "text");
    if (text.empty() || text.size() > kMostText) throw Problem(422, "text is missing or too long");
    const auto vectors = service.executor.encode_texts(encoder, {text});
    return json_reply(to_text({{"clip", vector_text(*vectors.front())}}));
  }
  if (task.key() != "visual") throw Problem(422, "the task is neither visual nor textual");
  const std::string image = form_text(request, "image");
  if (image.empty()) throw Problem(422, "image is missing");
  int width = 0, height = 0;
  service.executor.run([&] {
    DecodeOptions options;
    options.max_pixels = service.settings.pixels;
    try {
      const Picture picture = decode_picture(image, "image", options);
      width = picture.width;
      height = picture.height;
    } catch (const Error& error) {
      throw Problem(error.kind() == ErrorKind::kInvalidArgument ? 413 : 415, error.what());
    }
  });
  const auto vector = encode_image_bytes(service, encoder, image, "image");
  return json_reply(
      to_text({{"clip", vector_text(*vector)}, {"imageHeight", height}, {"imageWidth", width}}));
}

}  // namespace

void add_immich_routes(Routes& routes, Service& service) {
  routes.add("GET", "/ping", Access::kOpen, [](WebRequest&, const PathParts&) {
    WebReply reply = json_reply("pong");
    reply.content_type = "text/plain";
    return reply;
  });
  routes.add("POST", "/predict", Access::kToken, [&service](WebRequest& request, const PathParts&) {
    return predict(service, request);
  });
}

}  // namespace pgmmr
