// Sockets to requests: accepts connections, reads requests within limits of size and time, hands
// them to a handler, sends its replies, and goes away politely.
//
// A thread a connection, up to a limit beyond which the longest idle makes room (connections.h).
// The time a request may take to arrive and a reply to leave is counted as a whole, not by the
// byte, so a client that sends one byte a second is gone as soon as one that sends none. Threads
// that wait on the network do nothing else: encoding and the database have their own limits
// (executor.h, store/connection_pool.h). Parsing is cpp-httplib's, behind request_head.h.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "http/message.h"

namespace pgmmr {

struct ListenerLimits {
  int connections = 512;
  std::size_t body_bytes = std::size_t{32} << 20;
  int head_ms = 10'000;   // from the first byte wanted to the end of the headers
  int idle_ms = 20'000;   // between requests
  int body_ms = 60'000;   // the whole body
  int reply_ms = 60'000;  // no progress in sending a reply; a stream's pieces each
  int drain_ms = 10'000;  // for requests under way when asked to stop
};

class Listener {
 public:
  // Asked when the headers are there and before the body is read: a reply refuses the request.
  using Admit = std::function<std::optional<WebReply>(WebRequest&)>;
  using Handle = std::function<WebReply(WebRequest&)>;
  // Told of each request once its reply is sent, with the head's own mistakes among them.
  using Done = std::function<void(const WebRequest&, int status, std::uint64_t bytes, double ms)>;

  // Binds and listens, but accepts nobody yet.
  //   host     a name or an address; port 0 takes a free one
  //   throws   Error{kUnavailable} where the address cannot be taken
  Listener(const std::string& host, int port, const ListenerLimits& limits, Admit admit,
           Handle handle, Done done);
  ~Listener();  // stop()
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int port() const;
  void start();
  // Accepts nobody any more, lets requests under way finish for drain_ms, closes the rest.
  void stop();
  bool stopping() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgmmr
