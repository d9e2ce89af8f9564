// What the server says of itself: health, readiness, metrics, its own description, and the exchange
// of the token for a cookie.
#include <nlohmann/json.hpp>

#include "http/api_routes.h"
#include "http/json_body.h"
#include "http/openapi.h"
#include "http/problem.h"

namespace pgmmr {

void add_service_routes(Routes& routes, Service& service, const Guard& guard) {
  routes.add("GET", "/healthz", Access::kOpen,
             [](WebRequest&, const PathParts&) { return json_reply(R"({"status":"ok"})"); });
  // Infinity's clients ask here.
  routes.add("GET", "/health", Access::kOpen, [](WebRequest&, const PathParts&) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return json_reply(
        to_text({{"unix", std::chrono::duration<double>(now).count()}, {"status", "ok"}}));
  });
  routes.add("GET", "/readyz", Access::kOpen, [&service](WebRequest&, const PathParts&) {
    if (service.ready()) return json_reply(R"({"status":"ready"})");
    throw Problem(503, "the model is not warm yet, or the database does not answer", {},
                  {{"Retry-After", "2"}});
  });
  routes.add("GET", "/metrics", Access::kToken, [&service](WebRequest&, const PathParts&) {
    WebReply reply = json_reply(service.metrics_text());
    reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return reply;
  });
  routes.add("GET", "/openapi.json", Access::kOpen, [](WebRequest&, const PathParts&) {
    WebReply reply = json_reply("");
    reply.shared_body = openapi_document();
    return reply;
  });
  routes.add("GET", "/api/v1/service", Access::kOpen,
             [&service, &guard](WebRequest& request, const PathParts&) {
               const ServiceSettings& settings = service.settings;
               return json_reply(to_text({{"name", "pgmmr"},
                                          {"version", settings.version},
                                          {"ready", service.ready()},
                                          {"auth",
                                           {{"required", !settings.token.empty()},
                                            {"authenticated", guard.has_token(request)}}},
                                          {"image_url", settings.fetches_urls},
                                          {"limits",
                                           {{"body_bytes", settings.body_bytes},
                                            {"pixels", settings.pixels},
                                            {"hits", kMostHits},
                                            {"text_bytes", kMostText}}}}));
             });
  routes.add("POST", "/api/v1/session", Access::kOpen,
             [&guard](WebRequest& request, const PathParts&) {
               const nlohmann::json body = parse_json_object(request.body);
               const auto token = body.find("token");
               if (token == body.end() || !token->is_string()) {
                 throw mistake("token", token == body.end() ? "missing" : describe(*token), "text");
               }
               if (!guard.is_token(token->get<std::string>())) {
                 throw Problem(401, "that is not the token");
               }
               WebReply reply;
               reply.status = 204;
               reply.headers.emplace_back("Set-Cookie", guard.session_cookie(request, false));
               return reply;
             });
  routes.add("DELETE", "/api/v1/session", Access::kOpen,
             [&guard](WebRequest& request, const PathParts&) {
               WebReply reply;
               reply.status = 204;
               reply.headers.emplace_back("Set-Cookie", guard.session_cookie(request, true));
               return reply;
             });
}

}  // namespace pgmmr
