#include "http/routes.h"

#include <optional>

namespace pgmmr {
namespace {

// The first segment, and what lies behind its slash; nothing where there is no slash.
struct Split {
  std::string_view segment;
  std::optional<std::string_view> rest;
};

Split split(std::string_view path) {
  const auto slash = path.find('/');
  if (slash == std::string_view::npos) return {path, std::nullopt};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::optional<PathParts> match(std::string_view pattern, std::string_view path) {
  PathParts parts;
  for (;;) {
    const Split wanted = split(pattern), found = split(path);
    if (wanted.segment.ends_with("...}")) {
      const auto brace = wanted.segment.find('{');
      if (!path.starts_with(wanted.segment.substr(0, brace))) return std::nullopt;
      parts.emplace_back(path.substr(brace));
      return parts;
    }
    if (wanted.segment.starts_with('{')) {
      if (found.segment.empty()) return std::nullopt;
      parts.emplace_back(found.segment);
    } else if (wanted.segment != found.segment) {
      return std::nullopt;
    }
    if (wanted.rest.has_value() != found.rest.has_value()) return std::nullopt;
    if (!wanted.rest) return parts;
    pattern = *wanted.rest;
    path = *found.rest;
  }
}

}  // namespace

void Routes::add(const std::string& method, const std::string& pattern, Access access,
                 RouteHandler handler) {
  routes_.push_back({method, pattern, access, std::move(handler)});
}

Routes::Match Routes::find(std::string_view method, std::string_view path) const {
  if (method == "HEAD") method = "GET";
  Match result;
  for (const Route& route : routes_) {
    auto parts = match(route.pattern, path);
    if (!parts) continue;
    if (route.method == method) {
      result.route = &route;
      result.parts = std::move(*parts);
      return result;
    }
    result.allowed += (result.allowed.empty() ? "" : ", ") + route.method;
    if (route.method == "GET") result.allowed += ", HEAD";
  }
  return result;
}

}  // namespace pgmmr
