// Who may ask: the token, the Host that was asked for, the site whose page asks.
//
// Host is checked where the server listens on this machine alone, because a page of any site can
// point a name of its own at 127.0.0.1 (DNS rebinding) and would otherwise read everything. Origin
// is checked on every request that has a body, because a form of any site can send one.
#pragma once

#include <optional>
#include <string>

#include "http/message.h"
#include "http/service.h"

namespace pgmmr {

inline constexpr const char* kSessionCookie = "pgmmr_session";

class Guard {
 public:
  explicit Guard(const ServiceSettings& settings);

  // Nothing where the request may go on; else why not, and the status.
  struct Refusal {
    int status;
    std::string why;
  };
  std::optional<Refusal> check(const WebRequest& request) const;

  // True where there is no token, or the request brings it: as Bearer or by the cookie.
  bool has_token(const WebRequest& request) const;
  // Compared in a time that does not tell how much of it is right.
  bool is_token(const std::string& given) const;

  // Set-Cookie with a digest of the token, or one that deletes it.
  std::string session_cookie(const WebRequest& request, bool forget) const;

  // Access-Control headers for a page of another site, where it is one of those allowed.
  void add_cors(const WebRequest& request, WebReply& reply) const;

 private:
  bool is_own_host(const std::string& host) const;
  bool is_allowed_origin(const WebRequest& request, const std::string& origin) const;

  const ServiceSettings& settings_;
  std::string cookie_;  // its value
};

// The host of "host:port", "[::1]:80" or an origin, in lower case, without port and brackets.
std::string host_name(std::string_view host);

}  // namespace pgmmr
