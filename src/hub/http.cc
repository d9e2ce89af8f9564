#include "hub/http.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <memory>

#include "base/error.h"
#include "base/settings.h"
#include "hub/public_address.h"

namespace pgmmr {
namespace {

constexpr std::int64_t kLongestDelayS = 24 * 3600;  // so that no header overflows the arithmetic

struct EasyDeleter {
  void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
struct UrlDeleter {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlDeleter>;

// One handle a thread: it keeps its connections, so the many small requests to one hub share one.
CURL* easy_handle() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  thread_local const std::unique_ptr<CURL, EasyDeleter> handle(curl_easy_init());
  if (ready != CURLE_OK || !handle) throw Error(ErrorKind::kInternal, "starting libcurl failed");
  curl_easy_reset(handle.get());
  return handle.get();
}

Url parse_url(const std::string& text, unsigned flags = 0) {
  Url url(curl_url());
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), flags) != CURLUE_OK) return nullptr;
  return url;
}

std::string part(const Url& url, CURLUPart which) {
  char* text = nullptr;
  if (!url || curl_url_get(url.get(), which, &text, 0) != CURLUE_OK) return "";
  std::string found = text;
  curl_free(text);
  return found;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

// libcurl is C: nothing thrown by a caller's function may pass through it.
struct Transfer {
  const HttpRequest& request;
  HttpAnswer& answer;
  bool body_began = false;
  std::exception_ptr thrown;

  template <typename F>
  bool guarded(F&& call) {
    try {
      if (call()) return true;
      answer.stopped = true;
    } catch (...) {
      thrown = std::current_exception();
    }
    return false;
  }

  bool wanted() const { return answer.status == 200 || answer.status == 206; }

  bool begin() {
    if (body_began) return true;
    body_began = true;
    return !wanted() || !request.started || guarded([&] { return request.started(answer); });
  }

  bool take(std::string_view bytes) {
    if (!begin()) return false;
    if (wanted() && request.sink) return guarded([&] { return request.sink(bytes); });
    if (answer.body.size() + bytes.size() > request.max_body) {
      answer.problem = "the answer is larger than " + std::to_string(request.max_body) + " bytes";
      return false;
    }
    answer.body += bytes;
    return true;
  }
};

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& answer = static_cast<Transfer*>(user)->answer;
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {
    answer.headers.clear();  // of a 100 before the answer itself
    const auto space = line.find(' ');
    answer.status = space == std::string_view::npos ? 0 : std::atoi(line.data() + space + 1);
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    answer.headers[lower(trim(line.substr(0, colon)))] = trim(line.substr(colon + 1));
  }
  return size * count;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  return static_cast<Transfer*>(user)->take({data, size * count}) ? size * count : 0;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto* transfer = static_cast<Transfer*>(user);
  return transfer->guarded([&] { return transfer->request.keep_going(); }) ? 0 : 1;
}

curl_socket_t open_public(void* user, curlsocktype, struct curl_sockaddr* address) {
  if (!is_public_address(&address->addr)) {
    static_cast<HttpAnswer*>(user)->not_public = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

HttpAnswer request_once(const HttpRequest& request, const std::string& url,
                        const std::string& token) {
  CURL* handle = easy_handle();
  HttpAnswer answer;
  answer.url = url;
  Transfer transfer{request, answer, false, nullptr};
  std::array<char, CURL_ERROR_SIZE> reason{};
  curl_slist* list = nullptr;
  const auto add = [&](const std::string& line) { list = curl_slist_append(list, line.c_str()); };
  for (const auto& [name, value] : request.headers) add(name + ": " + value);
  if (!token.empty()) add("Authorization: Bearer " + token);
  const std::unique_ptr<curl_slist, ListDeleter> headers(list);

  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_NOBODY, request.method == "HEAD" ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "pgmmr; libcurl");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, reason.data());
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 256L << 10);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(request.connect_timeout_s));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.idle_timeout_s));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, static_cast<long>(request.total_timeout_s));
  if (request.only_public) {
    curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, open_public);
    curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, &answer);
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    // A connection that another request left open was not checked.
    curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, 1L);
  }
  if (request.keep_going) {
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
  }
  // A company's own authority, named the way Python's clients read it.
  for (const char* name : {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    if (const auto file = environment(name)) {
      curl_easy_setopt(handle, CURLOPT_CAINFO, file->c_str());
      break;
    }
  }

  const CURLcode code = curl_easy_perform(handle);
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  if (answer.stopped) return answer;
  if (code == CURLE_OK) {
    answer.not_public = false;  // another of the host's addresses was public
    transfer.begin();
    if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  } else if (answer.problem.empty()) {
    answer.unknown_host = code == CURLE_COULDNT_RESOLVE_HOST;
    answer.problem = reason[0] != 0 ? trim(reason.data()) : curl_easy_strerror(code);
  }
  return answer;
}

}  // namespace

std::string HttpAnswer::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

HttpAnswer http_request(const HttpRequest& request) {
  std::string url = request.url, token = request.token;
  for (int followed = 0;; ++followed) {
    const Url parsed = parse_url(url);
    const std::string scheme = part(parsed, CURLUPART_SCHEME);
    if (scheme != "http" && scheme != "https") {
      throw Error(ErrorKind::kInvalidArgument,
                  "asking for " + printable_url(url) + ": not an http or https address");
    }
    HttpAnswer answer = request_once(request, url, token);
    if (!answer.problem.empty() || answer.stopped || !answer.redirect() || request.redirects == 0) {
      return answer;
    }
    const std::string location = answer.header("location");
    if (request.only_relative_redirects && !url_host(location).empty()) return answer;
    if (followed >= request.redirects) {
      throw Error(ErrorKind::kUnavailable, "asking for " + printable_url(request.url) +
                                               ": more than " + std::to_string(request.redirects) +
                                               " redirects");
    }
    const std::string next = url_resolve(url, location);
    const std::string next_scheme = part(parse_url(next), CURLUPART_SCHEME);
    if ((next_scheme != "http" && next_scheme != "https") ||
        (scheme == "https" && next_scheme == "http")) {
      throw Error(ErrorKind::kUnavailable,
                  "asking for " + printable_url(url) + ": redirected to " + printable_url(next) +
                      ", which is not followed from an " + scheme + " address");
    }
    if (url_host(next) != url_host(url)) token.clear();
    url = next;
  }
}

bool worth_retrying(const HttpAnswer& answer) {
  if (answer.stopped) return false;
  if (!answer.problem.empty()) return true;
  for (const int status : {408, 429, 500, 502, 503, 504}) {
    if (answer.status == status) return true;
  }
  return false;
}

std::int64_t retry_delay_ms(const HttpAnswer& answer, int attempt, std::int64_t first_ms) {
  const auto number = [](const std::string& text) {
    return std::clamp<std::int64_t>(std::atoll(text.c_str()), 0, kLongestDelayS);
  };
  // draft-ietf-httpapi-ratelimit-headers: "resolvers";r=0;t=55. A second more, for their rounding.
  const std::string limit = answer.header("ratelimit");
  if (answer.status == 429 && limit.find("r=0") != std::string::npos) {
    if (const auto at = limit.find("t="); at != std::string::npos) {
      return (number(limit.substr(at + 2)) + 1) * 1000;
    }
  }
  const std::string after = answer.header("retry-after");
  if (!after.empty() && std::isdigit(static_cast<unsigned char>(after[0]))) {
    return number(after) * 1000;
  }
  if (const std::time_t date = curl_getdate(after.c_str(), nullptr); !after.empty() && date > 0) {
    return std::clamp<std::int64_t>(date - std::time(nullptr), 0, kLongestDelayS) * 1000;
  }
  return first_ms << std::min(attempt, 3);
}

std::string printable_url(const std::string& url) {
  const Url parsed = parse_url(url, CURLU_NON_SUPPORT_SCHEME);
  if (!parsed) return url.substr(0, url.find_first_of("?@#"));
  for (const CURLUPart secret :
       {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
    curl_url_set(parsed.get(), secret, nullptr, 0);
  }
  return part(parsed, CURLUPART_URL);
}

std::string url_host(const std::string& url) {
  // "//host/path" names a host too, though no scheme.
  const Url parsed =
      parse_url(url.starts_with("//") ? "http:" + url : url, CURLU_NON_SUPPORT_SCHEME);
  if (!parsed) return "";
  const std::string port = part(parsed, CURLUPART_PORT);
  return lower(part(parsed, CURLUPART_HOST)) + (port.empty() ? "" : ":" + port);
}

std::string url_quote(std::string_view text, bool keep_slash) {
  std::string quoted;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~' || (c == '/' && keep_slash);
    if (plain) {
      quoted += c;
    } else {
      quoted += '%';
      quoted += "0123456789ABCDEF"[byte >> 4];
      quoted += "0123456789ABCDEF"[byte & 15];
    }
  }
  return quoted;
}

std::string url_resolve(const std::string& base, const std::string& reference) {
  const Url url = parse_url(base);
  if (!url || curl_url_set(url.get(), CURLUPART_URL, reference.c_str(),
                           CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return "";
  }
  return part(url, CURLUPART_URL);
}

}  // namespace pgmmr
