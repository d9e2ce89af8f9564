#include "http/guard.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "base/file.h"

namespace pgmmr {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// Digests have one length, so the comparison's time says nothing about the secret's.
bool same_secret(const std::string& a, const std::string& b) {
  const std::string left = sha256_hex(a), right = sha256_hex(b);
  return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

std::string cookie_of(const WebRequest& request, std::string_view name) {
  const std::string& cookies = request.header("cookie");
  for (std::size_t at = 0; at < cookies.size();) {
    const std::size_t end = std::min(cookies.find(';', at), cookies.size());
    std::string_view one(cookies.data() + at, end - at);
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=') {
      return std::string(one.substr(name.size() + 1));
    }
    at = end + 1;
  }
  return "";
}

// "https://host:8080" to "host:8080".
std::string_view authority(std::string_view origin) {
  const auto at = origin.find("://");
  return at == std::string_view::npos ? origin : origin.substr(at + 3);
}

}  // namespace

std::string host_name(std::string_view host) {
  host = authority(host);
  if (host.starts_with('['))
    return lower(host.substr(1, std::min(host.find(']'), host.size()) - 1));
  return lower(host.substr(0, host.find(':')));
}

Guard::Guard(const ServiceSettings& settings)
    : settings_(settings), cookie_(sha256_hex("pgmmr session " + settings.token)) {}

bool Guard::is_own_host(const std::string& host) const {
  const std::string name = host_name(host);
  if (name == "localhost" || name.ends_with(".localhost") || name == "127.0.0.1" || name == "::1") {
    return true;
  }
  return std::any_of(settings_.hosts.begin(), settings_.hosts.end(),
                     [&](const std::string& one) { return lower(one) == name; });
}

bool Guard::is_allowed_origin(const WebRequest& request, const std::string& origin) const {
  for (const std::string& one : settings_.origins) {
    if (one == "*" || lower(one) == lower(origin)) return true;
  }
  // A proxy in front tells what the browser asked for.
  for (const char* header : {"host", "x-forwarded-host"}) {
    const std::string& host = request.header(header);
    if (!host.empty() && lower(authority(origin)) == lower(host)) return true;
  }
  return false;
}

std::optional<Guard::Refusal> Guard::check(const WebRequest& request) const {
  if (settings_.loopback && !is_own_host(request.header("host"))) {
    return Refusal{421, "this server answers to localhost alone; --allow-host names others"};
  }
  const std::string& origin = request.header("origin");
  const bool changes = request.method != "GET" && request.method != "HEAD";
  if (changes && !origin.empty() && !is_allowed_origin(request, origin)) {
    return Refusal{403,
                   "pages of other sites may not ask here; --allow-origin names those that may"};
  }
  return std::nullopt;
}

bool Guard::is_token(const std::string& given) const {
  return !settings_.token.empty() && same_secret(given, settings_.token);
}

bool Guard::has_token(const WebRequest& request) const {
  if (settings_.token.empty()) return true;
  const std::string& authorization = request.header("authorization");
  if (authorization.size() > 7 && lower(authorization.substr(0, 7)) == "bearer ") {
    return is_token(authorization.substr(7));
  }
  const std::string cookie = cookie_of(request, kSessionCookie);
  return !cookie.empty() && same_secret(cookie, cookie_);
}

std::string Guard::session_cookie(const WebRequest& request, bool forget) const {
  // In a frame of another site only SameSite=None is sent back, and that needs TLS.
  const bool is_tls = request.header("x-forwarded-proto") == "https";
  return std::string(kSessionCookie) + "=" + (forget ? "" : cookie_) + "; Path=/; HttpOnly; " +
         (is_tls ? "SameSite=None; Secure" : "SameSite=Strict") +
         "; Max-Age=" + (forget ? "0" : "31536000");
}

void Guard::add_cors(const WebRequest& request, WebReply& reply) const {
  const std::string& origin = request.header("origin");
  if (origin.empty() || settings_.origins.empty()) return;
  const bool named = std::any_of(settings_.origins.begin(), settings_.origins.end(),
                                 [&](const auto& one) { return lower(one) == lower(origin); });
  const bool any =
      std::find(settings_.origins.begin(), settings_.origins.end(), "*") != settings_.origins.end();
  if (!named && !any) return;
  reply.headers.emplace_back("Access-Control-Allow-Origin", named ? origin : "*");
  reply.headers.emplace_back("Vary", "Origin");
  reply.headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE");
  reply.headers.emplace_back("Access-Control-Allow-Headers",
                             "Authorization, Content-Type, X-Request-Id, MCP-Protocol-Version, "
                             "Mcp-Method, Mcp-Name, x-gradio-user");
  reply.headers.emplace_back("Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
  reply.headers.emplace_back("Access-Control-Max-Age", "600");
}

}  // namespace pgmmr
