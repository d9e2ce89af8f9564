#include "http/json_body.h"

#include "http/problem.h"

namespace pgmmr {
namespace {

constexpr int kMostDepth = 16;
constexpr int kMostValues = 100'000;

}  // namespace

nlohmann::json parse_json_object(std::string_view body) {
  if (body.empty()) throw Problem(400, "the body is empty, expected a JSON object");
  int values = 0;
  // Thrown from inside the parser, which then builds no more.
  const auto bound = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > kMostDepth) throw Problem(400, "the JSON nests deeper than 16");
    if (++values > kMostValues) throw Problem(400, "the JSON holds more than 100,000 values");
    return true;
  };
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(body.begin(), body.end(), bound);
  } catch (const nlohmann::json::exception& error) {
    throw Problem(400, std::string("the body is not JSON: ") + error.what());
  }
  if (!json.is_object()) {
    throw Problem(400, "the body is " + describe(json) + ", expected a JSON object");
  }
  return json;
}

std::string describe(const nlohmann::json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  const std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return text.size() <= 60 ? text : std::string("a ") + value.type_name();
}

std::string to_text(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace pgmmr
