// One connection's bytes, with a deadline on everything: the head is read and checked whole
// (request_head.h) before the HTTP library sees a byte of it.
#pragma once

#include <httplib.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "http/request_head.h"

namespace pgmmr {

class SocketStream : public httplib::Stream {
 public:
  using Clock = std::chrono::steady_clock;

  SocketStream(int socket, std::string peer) : socket_(socket), peer_(std::move(peer)) {}

  enum class Arrival { kRequest, kNothing, kRefused };  // nothing: closed, or idle for too long
  // Waits for the next request's head. Refused: head().status says how to answer.
  Arrival next_head(int idle_ms, int head_ms, int body_ms, std::size_t body_bytes, int reply_ms);
  const RequestHead& head() const { return head_; }
  const std::string& peer() const { return peer_; }

  // Whether the request has arrived in full, so that another one can follow on this connection.
  bool body_was_read() const { return !head_.has_body || body_done_; }
  void set_body_done() { body_done_ = true; }

  // Tells the client to go on, where it asked to be told.
  void send_continue();
  // Sends what was held back of the reply, then the bytes.
  bool send(std::string_view bytes);
  // The end of the reply.
  bool flush() { return send({}); }
  std::uint64_t sent() const { return sent_; }

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* data, size_t size) override;
  // A head whose body is known, and so follows at once, is held back to leave in one piece with it.
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }
  // Asked for by newer versions of the library.
  virtual bool wait_readable() const { return is_readable(); }
  virtual bool wait_writable() const { return is_writable(); }
  virtual time_t duration() const { return 0; }

 private:
  bool wait(short events, Clock::time_point until) const;
  bool fill(Clock::time_point until);  // reads what is there into received_

  const int socket_;
  const std::string peer_;
  RequestHead head_;
  std::string received_;  // read from the socket, not given away yet
  std::size_t head_given_ = 0;
  std::size_t body_left_ = 0;  // bytes of body that may still be read
  bool body_done_ = false;
  Clock::time_point body_until_;
  int body_ms_ = 0, reply_ms_ = 0;
  bool body_began_ = false;
  bool reply_began_ = false;
  std::string held_;
  std::uint64_t sent_ = 0;
};

}  // namespace pgmmr
