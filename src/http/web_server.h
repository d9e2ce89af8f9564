// The whole service: listener, guard, routes and what stands behind them.
#pragma once

#include <memory>
#include <string>

#include "http/listener.h"
#include "http/routes.h"
#include "http/service.h"

namespace pgmmr {

class WebServer {
 public:
  // Binds; nothing is answered before start().
  //   throws  Error{kUnavailable} where the address is taken
  WebServer(Service& service, const std::string& host, int port, const ListenerLimits& limits = {});
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  int port() const;
  void start();
  void stop();  // drains, see Listener::stop

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgmmr
