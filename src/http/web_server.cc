#include "http/web_server.h"

#include <fmt/core.h>

#include "http/api_routes.h"
#include "http/guard.h"
#include "http/problem.h"
#include "http/request_log.h"

namespace pgmmr {
namespace {

// Nothing that is served but the page itself is ever to be run or framed.
constexpr const char* kStrictPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox";

}  // namespace

class WebServer::Impl {
 public:
  Impl(Service& service, const std::string& host, int port, const ListenerLimits& given)
      : service_(service), guard_(service.settings) {
    const StopSign stopping = [this] { return listener_->stopping(); };
    add_service_routes(routes_, service, guard_);
    add_search_routes(routes_, service);
    add_collection_routes(routes_, service);
    add_embedding_routes(routes_, service);
    add_gradio_routes(routes_, service, stopping);
    add_immich_routes(routes_, service);
    add_knn_routes(routes_, service);
    add_mcp_routes(routes_, service);
    add_site_routes(routes_, guard_);
    ListenerLimits limits = given;
    limits.body_bytes = service.settings.body_bytes;
    listener_ = std::make_unique<Listener>(
        host, port, limits, [this](WebRequest& request) { return admit(request); },
        [this](WebRequest& request) { return handle(request); },
        [this](const WebRequest& request, int status, std::uint64_t bytes, double ms) {
          done(request, status, bytes, ms);
        });
  }

  Listener& listener() { return *listener_; }

 private:
  std::optional<WebReply> admit(WebRequest& request) {
    if (const auto refusal = guard_.check(request)) {
      return finished(request, problem_reply(request, refusal->status, refusal->why));
    }
    if (request.method == "OPTIONS") {
      WebReply reply;
      reply.status = 204;
      return finished(request, std::move(reply));
    }
    const Routes::Match match = routes_.find(request.method, request.path);
    if (match.route == nullptr) {
      WebReply reply =
          match.allowed.empty()
              ? problem_reply(request, 404, "there is nothing here; /openapi.json lists what is")
              : problem_reply(request, 405, request.method + " is not answered here");
      if (!match.allowed.empty()) reply.headers.emplace_back("Allow", match.allowed);
      return finished(request, std::move(reply));
    }
    if (match.route->access == Access::kToken && !guard_.has_token(request)) {
      WebReply reply =
          problem_reply(request, 401, "a token is needed: Authorization: Bearer TOKEN");
      reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"pgmmr\"");
      return finished(request, std::move(reply));
    }
    return std::nullopt;
  }

  WebReply handle(WebRequest& request) {
    const Routes::Match match = routes_.find(request.method, request.path);
    try {
      return finished(request, match.route->handler(request, match.parts));
    } catch (...) {
      const Failure failure = failure_of(std::current_exception());
      if (!failure.logged.empty()) log_failure(request.id, failure.logged);
      WebReply reply =
          problem_reply(request, failure.told.status, failure.told.what(), failure.told.mistakes);
      for (const auto& header : failure.told.headers) reply.headers.push_back(header);
      return finished(request, std::move(reply));
    }
  }

  WebReply finished(const WebRequest& request, WebReply reply) const {
    const auto has = [&reply](std::string_view name) {
      for (const auto& [one, value] : reply.headers) {
        if (one == name) return true;
      }
      return false;
    };
    reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
    reply.headers.emplace_back("Referrer-Policy", "same-origin");
    if (!has("Content-Security-Policy")) {
      reply.headers.emplace_back("Content-Security-Policy", kStrictPolicy);
    }
    if (service_.settings.origins.empty()) {
      reply.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
    }
    if (!has("Cache-Control")) reply.headers.emplace_back("Cache-Control", "no-store");
    guard_.add_cors(request, reply);
    return reply;
  }

  void done(const WebRequest& request, int status, std::uint64_t bytes, double ms) {
    const Routes::Match match = routes_.find(request.method, request.path);
    const std::string route = match.route == nullptr ? "none" : match.route->pattern;
    service_.metrics.count_request(route, status, ms / 1000);
    log_request(request, status, bytes, ms);
  }

  Service& service_;
  const Guard guard_;
  Routes routes_;
  std::unique_ptr<Listener> listener_;
};

WebServer::WebServer(Service& service, const std::string& host, int port,
                     const ListenerLimits& limits)
    : impl_(std::make_unique<Impl>(service, host, port, limits)) {}
WebServer::~WebServer() = default;
int WebServer::port() const { return impl_->listener().port(); }
void WebServer::start() { impl_->listener().start(); }
void WebServer::stop() { impl_->listener().stop(); }

}  // namespace pgmmr
