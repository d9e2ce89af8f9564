// The table of what is served: method and pattern to a handler.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace pgmmr {

// What stands for a {…} of the pattern, in order.
using PathParts = std::vector<std::string>;
using RouteHandler = std::function<WebReply(WebRequest&, const PathParts&)>;

enum class Access { kOpen, kToken };  // open: answered without the token too

struct Route {
  std::string method, pattern;
  Access access;
  RouteHandler handler;
};

class Routes {
 public:
  // pattern: segments between slashes; {name} stands for any one segment that is not empty, a final
  // {name...} for all that is left. GET is HEAD too.
  void add(const std::string& method, const std::string& pattern, Access access,
           RouteHandler handler);

  struct Match {
    const Route* route = nullptr;
    PathParts parts;
    std::string allowed;  // where only the method is wrong: those that there are
  };
  Match find(std::string_view method, std::string_view path) const;

 private:
  std::vector<Route> routes_;
};

}  // namespace pgmmr
