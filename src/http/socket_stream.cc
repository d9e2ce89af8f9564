#include "http/socket_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pgmmr {

bool SocketStream::wait(short events, Clock::time_point until) const {
  for (;;) {
    // Rounded up, so that once it says no the time is over.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd entry{socket_, events, 0};
    const int ready = poll(&entry, 1, static_cast<int>(std::clamp<long long>(left, 0, 1 << 30)));
    if (ready > 0) return true;  // an error too: the call that follows tells
    if (ready == 0 || errno != EINTR) return false;
  }
}

bool SocketStream::fill(Clock::time_point until) {
  std::array<char, 16 * 1024> block;
  for (;;) {
    const ssize_t n = recv(socket_, block.data(), block.size(), MSG_DONTWAIT);
    if (n > 0) {
      received_.append(block.data(), static_cast<std::size_t>(n));
      return true;
    }
    if (n == 0) return false;
    if (errno == EINTR) continue;
    if ((errno != EAGAIN && errno != EWOULDBLOCK) || !wait(POLLIN, until)) return false;
  }
}

SocketStream::Arrival SocketStream::next_head(int idle_ms, int head_ms, int body_ms,
                                              std::size_t body_bytes, int reply_ms) {
  head_ = {};
  head_given_ = 0;
  body_done_ = body_began_ = reply_began_ = false;
  body_ms_ = body_ms;
  reply_ms_ = reply_ms;
  sent_ = 0;
  // Empty lines before a request are passed over (RFC 9112, 2.2), few of them.
  const auto idle_until = Clock::now() + std::chrono::milliseconds(idle_ms);
  if (received_.empty() && !fill(idle_until)) return Arrival::kNothing;
  const auto until = Clock::now() + std::chrono::milliseconds(head_ms);
  for (;;) {
    while (received_.starts_with("\r\n")) received_.erase(0, 2);
    const std::size_t end = head_end(received_);
    if (end != std::string::npos) {
      head_ = read_head(std::string_view(received_).substr(0, end));
      received_.erase(0, end);
      break;
    }
    if (received_.size() > kMaxHeadBytes) {
      head_.status = 431;
      head_.problem = "the headers are too large";
      break;
    }
    if (!fill(until)) {
      if (Clock::now() < until || received_.empty()) return Arrival::kNothing;
      head_.status = 408;
      head_.problem = "the headers took too long to arrive";
      break;
    }
  }
  if (head_.status == 0 && head_.content_length > body_bytes) {
    head_.status = 413;
    head_.problem = "the body is above the limit of " + std::to_string(body_bytes) + " bytes";
  }
  // A chunked body's frame is counted too: 1/8 is more than chunks of a sensible size need.
  body_left_ = !head_.has_body             ? 0
               : head_.content_length != 0 ? head_.content_length
                                           : body_bytes + body_bytes / 8;
  return head_.status == 0 ? Arrival::kRequest : Arrival::kRefused;
}

void SocketStream::send_continue() {
  if (head_.expects_continue) send("HTTP/1.1 100 Continue\r\n\r\n");
  head_.expects_continue = false;
}

bool SocketStream::is_readable() const { return !received_.empty() || wait(POLLIN, Clock::now()); }

bool SocketStream::is_writable() const {
  if (!wait(POLLOUT, Clock::now() + std::chrono::milliseconds(reply_ms_))) return false;
  // Writable and closed look alike; a peer that is gone reads as end of file.
  char byte = 0;
  const ssize_t n = recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

ssize_t SocketStream::read(char* data, size_t size) {
  if (head_given_ < head_.text.size()) {
    const std::size_t n = std::min(size, head_.text.size() - head_given_);
    std::memcpy(data, head_.text.data() + head_given_, n);
    head_given_ += n;
    return static_cast<ssize_t>(n);
  }
  if (body_left_ == 0) return 0;
  if (!body_began_) {
    body_began_ = true;
    body_until_ = Clock::now() + std::chrono::milliseconds(body_ms_);
    send_continue();
  }
  if (received_.empty()) {
    if (Clock::now() >= body_until_ || !fill(body_until_)) return -1;
  }
  const std::size_t n = std::min({size, received_.size(), body_left_});
  std::memcpy(data, received_.data(), n);
  // Small reads from the front of a large buffer would be quadratic: at most 16 kB lie there.
  received_.erase(0, n);
  body_left_ -= n;
  return static_cast<ssize_t>(n);
}

ssize_t SocketStream::write(const char* data, size_t size) {
  const std::string_view bytes(data, size);
  const bool is_head = !std::exchange(reply_began_, true);
  if (is_head && bytes.find("\r\nContent-Length: ") != std::string_view::npos) {
    held_ = bytes;
    return static_cast<ssize_t>(size);
  }
  return send(bytes) ? static_cast<ssize_t>(size) : -1;
}

bool SocketStream::send(std::string_view bytes) {
  // No progress for so long ends it; and the whole may not take ten times that.
  const auto last = Clock::now() + std::chrono::milliseconds(10LL * reply_ms_);
  const std::string held = std::exchange(held_, {});
  std::string_view head = held;
  while (!head.empty() || !bytes.empty()) {
    std::array<iovec, 2> parts{iovec{const_cast<char*>(head.data()), head.size()},
                               iovec{const_cast<char*>(bytes.data()), bytes.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t n = sendmsg(socket_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      sent_ += static_cast<std::uint64_t>(n);
      const std::size_t of_head = std::min(static_cast<std::size_t>(n), head.size());
      head.remove_prefix(of_head);
      bytes.remove_prefix(static_cast<std::size_t>(n) - of_head);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return false;
    const auto until = std::min(last, Clock::now() + std::chrono::milliseconds(reply_ms_));
    if (!wait(POLLOUT, until) || Clock::now() >= last) return false;
  }
  return true;
}

void SocketStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip = peer_;
  port = 0;
}

void SocketStream::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace pgmmr
