// HTTP requests on libcurl: one request, one answer, no redirect followed and nothing retried
// unless asked. TLS is always verified, and an https address never leads to an http one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace pgmmr {

struct HttpRequest {
  std::string method = "GET";  // GET or HEAD
  std::string url;
  std::string token;                           // sent as Bearer, to the url's host only
  std::map<std::string, std::string> headers;  // besides
  int connect_timeout_s = 10;
  int idle_timeout_s = 10;  // of no data
  int total_timeout_s = 0;  // 0 for none
  int redirects = 0;        // how many to follow; the token is dropped where the host changes
  bool only_relative_redirects = false;  // an answer that leads to another host is the answer
  std::size_t max_body = std::size_t{64} << 20;  // of a body that no sink takes
  // Connects to public addresses alone, directly and never through a proxy: checked on the very
  // address of each connection, behind name resolution, so a name cannot lead elsewhere.
  bool only_public = false;

  // Takes the body of a 200 or 206 as it arrives; started is called first, with the head. False
  // stops the transfer.
  std::function<bool(const struct HttpAnswer&)> started;
  std::function<bool(std::string_view)> sink;
  std::function<bool()> keep_going;  // asked a few times a second
};

struct HttpAnswer {
  int status = 0;                              // 0 where no whole answer came: see problem
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string url;      // that answered
  std::string problem;  // why the connection failed, or broke inside the body (status is kept)
  bool unknown_host = false;  // the problem is the host's name
  bool stopped = false;       // by started, sink or keep_going
  bool not_public = false;    // the problem is only_public

  bool ok() const { return problem.empty() && status >= 200 && status < 300; }
  bool redirect() const { return status >= 300 && status < 400 && headers.contains("location"); }
  std::string header(const std::string& name) const;  // empty where missing
};

//   throws   Error{kInvalidArgument} for an address that is not http(s), {kUnavailable} for too
//   many
//            redirects or one from https to http
//   threads  safe to call at once
HttpAnswer http_request(const HttpRequest& request);

// True where asking again may help: no answer, 408, 429, 500, 502, 503, 504.
bool worth_retrying(const HttpAnswer& answer);

// How long the server asks to wait (Retry-After, RateLimit), else twice as long each time from
// first_ms up to 8 times that.
std::int64_t retry_delay_ms(const HttpAnswer& answer, int attempt, std::int64_t first_ms);

// The address without user, password and query, which may hold secrets: for messages.
std::string printable_url(const std::string& url);

std::string url_host(const std::string& url);  // with its port; empty for what is not an address
std::string url_quote(std::string_view text, bool keep_slash);
std::string url_resolve(const std::string& base, const std::string& reference);

}  // namespace pgmmr
