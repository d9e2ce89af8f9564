#include "http/request_head.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace pgmmr {
namespace {

constexpr std::array<std::string_view, 6> kMethods = {"GET",    "HEAD",    "POST",
                                                      "DELETE", "OPTIONS", "PUT"};

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_printable(std::string_view text, bool with_space) {
  return std::all_of(text.begin(), text.end(), [with_space](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 ? byte != 0x7F : with_space && (c == ' ' || c == '\t');
  });
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

RequestHead refuse(int status, std::string problem) {
  RequestHead head;
  head.status = status;
  head.problem = std::move(problem);
  return head;
}

// "" where the request line is in order.
RequestHead check_request_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || last == first) {
    return refuse(400, "the request line is not METHOD TARGET VERSION");
  }
  const auto method = line.substr(0, first), version = line.substr(last + 1);
  const auto target = line.substr(first + 1, last - first - 1);
  if (!is_token(method)) return refuse(400, "the method is not a token");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return refuse(505, "the version is not HTTP/1.1 or HTTP/1.0");
  }
  if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end()) {
    return refuse(501, "the method is not GET, HEAD, POST, DELETE or OPTIONS");
  }
  if (target.size() > kMaxTargetBytes) return refuse(414, "the address is too long");
  if (!target.starts_with('/') || !is_printable(target, false)) {
    return refuse(400, "the target is not a path");
  }
  return {};
}

}  // namespace

std::size_t head_end(std::string_view bytes) {
  const auto at = bytes.find("\r\n\r\n");
  return at == std::string_view::npos ? at : at + 4;
}

RequestHead read_head(std::string_view head) {
  if (head.size() > kMaxHeadBytes) return refuse(431, "the headers are too large");
  const auto line_end = head.find("\r\n");
  if (line_end == std::string_view::npos || head_end(head) != head.size()) {
    return refuse(400, "the headers do not end in an empty line");
  }
  RequestHead result = check_request_line(head.substr(0, line_end));
  if (result.status != 0) return result;
  result.text = head.substr(0, line_end + 2);

  int count = 0;
  bool has_length = false, is_chunked = false, has_host = false;
  for (std::size_t at = line_end + 2; at + 2 < head.size();) {
    const auto end = head.find("\r\n", at);
    const auto line = head.substr(at, end - at);
    at = end + 2;
    if (++count > kMaxHeaders) return refuse(431, "there are too many headers");
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
      return refuse(400, "a header line is not NAME: VALUE");
    }
    const std::string name = lower(line.substr(0, colon));
    const auto value = trim(line.substr(colon + 1));
    if (!is_printable(value, true)) return refuse(400, "header " + name + " holds control bytes");
    if (name == "content-length") {
      const auto [rest, code] =
          std::from_chars(value.data(), value.data() + value.size(), result.content_length);
      if (has_length || value.empty() || code != std::errc() ||
          rest != value.data() + value.size()) {
        return refuse(400, "Content-Length is not one number");
      }
      has_length = true;
    } else if (name == "transfer-encoding") {
      if (is_chunked || lower(value) != "chunked") {
        return refuse(501, "Transfer-Encoding is not chunked alone");
      }
      is_chunked = true;
    } else if (name == "content-encoding") {
      if (lower(value) != "identity") return refuse(415, "compressed bodies are not taken");
      continue;
    } else if (name == "host") {
      if (has_host) return refuse(400, "there are two Host headers");
      has_host = true;
    } else if (name == "range") {
      result.range = value;
      continue;
    } else if (name == "accept-encoding") {
      result.accept_encoding = lower(value);
      continue;
    } else if (name == "expect") {
      if (lower(value) != "100-continue") return refuse(417, "Expect is not 100-continue");
      result.expects_continue = true;
      continue;
    } else if (name == "remote_addr" || name == "remote_port" || name == "local_addr" ||
               name == "local_port") {
      continue;  // the library's own names for the socket's ends
    }
    result.text.append(line.substr(0, colon)).append(": ").append(value).append("\r\n");
  }
  if (has_length && is_chunked) {
    return refuse(400, "there are both Content-Length and Transfer-Encoding");
  }
  const bool is_old = head.substr(0, line_end).ends_with("HTTP/1.0");
  if (!has_host && !is_old) return refuse(400, "there is no Host header");
  if (is_chunked && is_old) return refuse(400, "HTTP/1.0 knows no Transfer-Encoding");
  result.has_body = is_chunked || result.content_length > 0;
  result.text += "\r\n";
  return result;
}

}  // namespace pgmmr
