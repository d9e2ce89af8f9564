// The web page: / and its files, each in the best compression the browser takes.
#include <cctype>

#include "http/api_routes.h"
#include "http/problem.h"
#include "http/site.h"

namespace pgmmr {
namespace {

// Scripts and styles from here alone; pictures from here and from what the visitor dropped; frames
// of Hugging Face, whose Spaces are shown in one, and of this server.
constexpr const char* kPagePolicy =
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'self' https://huggingface.co https://*.huggingface.co https://*.hf.space";

constexpr std::string_view kNoPage =
    "<!doctype html><html lang=en><meta charset=utf-8><title>pgmmr</title>"
    "<body><h1>pgmmr</h1><p>This program was built without its web page. It answers the HTTP API "
    "that <a href=/openapi.json>/openapi.json</a> describes.";

const SiteFile* find_file(std::string_view path) {
  for (const SiteFile& file : site_files()) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

// True where the header lists the coding, and not with a weight of 0.
bool accepts(const std::string& header, std::string_view coding) {
  for (std::size_t at = 0; at < header.size();) {
    const std::size_t end = std::min(header.find(',', at), header.size());
    std::string_view one(header.data() + at, end - at);
    at = end + 1;
    while (one.starts_with(' ')) one.remove_prefix(1);
    const auto name = one.substr(0, one.find_first_of("; "));
    if (name != coding) continue;
    const auto weight = one.find("q=0");
    return weight == std::string_view::npos ||
           one.substr(weight + 3).find_first_of("123456789") != std::string_view::npos;
  }
  return false;
}

// Vite's names: assets/index-D4f9a1Bc.js. What is in such a file never changes under its name.
bool has_hash(std::string_view path) {
  return path.starts_with("/assets/") && path.find('-') != std::string_view::npos;
}

WebReply file_reply(const WebRequest& request, const SiteFile& file) {
  WebReply reply;
  reply.headers.emplace_back(
      "Cache-Control", has_hash(file.path) ? "public, max-age=31536000, immutable" : "no-cache");
  reply.headers.emplace_back("ETag", std::string(file.etag));
  reply.headers.emplace_back("Vary", "Accept-Encoding");
  reply.headers.emplace_back("Content-Security-Policy", kPagePolicy);
  if (request.header("if-none-match").find(file.etag) != std::string::npos) {
    reply.status = 304;
    return reply;
  }
  reply.content_type = file.type;
  const std::string& encodings = request.header("accept-encoding");
  std::string_view bytes = file.plain;
  if (!file.brotli.empty() && accepts(encodings, "br")) {
    reply.headers.emplace_back("Content-Encoding", "br");
    bytes = file.brotli;
  } else if (!file.gzip.empty() && accepts(encodings, "gzip")) {
    reply.headers.emplace_back("Content-Encoding", "gzip");
    bytes = file.gzip;
  }
  reply.body = bytes;
  return reply;
}

}  // namespace

void add_site_routes(Routes& routes, const Guard& guard) {
  routes.add("GET", "/", Access::kOpen, [&guard](WebRequest& request, const PathParts&) {
    // A link that carries the token, as the terminal prints it: becomes a cookie at once, so that
    // the address bar and the history forget it.
    if (const auto token = request.param("token"); token && guard.is_token(*token)) {
      WebReply reply;
      reply.status = 303;
      reply.headers = {{"Location", "/"}, {"Set-Cookie", guard.session_cookie(request, false)}};
      return reply;
    }
    if (const SiteFile* index = find_file("/index.html")) return file_reply(request, *index);
    WebReply reply;
    reply.content_type = "text/html; charset=utf-8";
    reply.body = kNoPage;
    reply.headers.emplace_back("Content-Security-Policy", kPagePolicy);
    return reply;
  });
  for (const SiteFile& file : site_files()) {
    routes.add(
        "GET", std::string(file.path), Access::kOpen,
        [&file](WebRequest& request, const PathParts&) { return file_reply(request, file); });
  }
}

}  // namespace pgmmr
