// A request and its reply as the handlers see them: no sockets, no HTTP library.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgmmr {

struct FormPart {
  std::string content, filename, content_type;
};

struct WebRequest {
  std::string method;                              // GET, HEAD, POST, DELETE, OPTIONS
  std::string path;                                // decoded, without the query
  std::multimap<std::string, std::string> params;  // of the query, and of a form's body
  std::map<std::string, std::string> headers;      // names in lower case; the first of each name
  std::string body;                                // empty for multipart/form-data
  std::multimap<std::string, FormPart> parts;      // of multipart/form-data
  std::string peer;                                // the address that connected
  std::string id;                                  // for messages and the log

  const std::string& header(const std::string& lower_name) const {
    static const std::string none;
    const auto found = headers.find(lower_name);
    return found == headers.end() ? none : found->second;
  }
  std::optional<std::string> param(const std::string& name) const {
    const auto found = params.find(name);
    return found == params.end() ? std::nullopt : std::optional(found->second);
  }
  // The server's address as the client sees it, through a proxy or not, without a slash at the end.
  std::string root() const {
    const std::string& forwarded = header("x-forwarded-host");
    const std::string scheme = header("x-forwarded-proto") == "https" ? "https" : "http";
    return scheme + "://" + (forwarded.empty() ? header("host") : forwarded);
  }
};

// An open file, closed with its last copy.
struct FileSlice {
  std::shared_ptr<const int> descriptor;
  std::uint64_t offset = 0, length = 0;
};

// Sends a piece; false once nobody listens any more.
using SendPiece = std::function<bool(std::string_view)>;

struct WebReply {
  int status = 200;
  std::string content_type;  // empty where there is no body
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::shared_ptr<const std::string> shared_body = nullptr;  // instead of body: not copied
  std::optional<FileSlice> file = std::nullopt;              // instead of body
  // Instead of body: runs on the connection's thread and sends pieces until it returns.
  std::function<void(const SendPiece&)> stream = nullptr;
};

inline WebReply json_reply(std::string json, int status = 200) {
  WebReply reply;
  reply.status = status;
  reply.content_type = "application/json";
  reply.body = std::move(json);
  return reply;
}

}  // namespace pgmmr
