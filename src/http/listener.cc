#include "http/listener.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <random>
#include <thread>

#include "base/error.h"
#include "http/connections.h"
#include "http/problem.h"
#include "http/socket_stream.h"

namespace pgmmr {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBacklog = 1024;
constexpr int kRequestsAConnection = 10'000;
constexpr int kRoomEveryMs = 50;
constexpr std::size_t kFileBlock = 64 * 1024;

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  int get() const { return number_; }

 private:
  int number_;
};

std::string random_id() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return fmt::format("{:016x}", generator());
}

std::string peer_name(const sockaddr_storage& address) {
  std::array<char, NI_MAXHOST> name{};
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), sizeof address, name.data(),
                  name.size(), nullptr, 0, NI_NUMERICHOST) != 0) {
    return "";
  }
  return name.data();
}

Descriptor listen_on(const std::string& host, int port) {
  const std::string where = host + " port " + std::to_string(port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
      code != 0) {
    throw Error(ErrorKind::kUnavailable, "listening on " + where + ": " + gai_strerror(code));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  std::string reason = "no address";
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Descriptor socket(::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int yes = 1, no = 0;
    if (socket.get() >= 0) {
      setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      if (one->ai_family == AF_INET6) {
        setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
      }
      if (bind(socket.get(), one->ai_addr, one->ai_addrlen) == 0 &&
          listen(socket.get(), kBacklog) == 0) {
        return socket;
      }
    }
    reason = std::strerror(errno);
  }
  throw Error(ErrorKind::kUnavailable, "listening on " + where + ": " + reason);
}

}  // namespace

class Listener::Impl : private httplib::Server {
 public:
  Impl(const std::string& host, int port, const ListenerLimits& limits, Admit admit, Handle handle,
       Done done)
      : limits_(limits),
        admit_(std::move(admit)),
        handle_(std::move(handle)),
        done_(std::move(done)),
        listening_(listen_on(host, port)),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        connections_(limits_.connections,
                     [this](int socket, const std::string& peer) { serve(socket, peer); }) {
    svr_sock_ = listening_.get();  // the library's own sign that it is not shutting down
    set_payload_max_length(limits_.body_bytes);
    set_keep_alive_timeout(limits_.idle_ms / 1000);
    set_keep_alive_max_count(kRequestsAConnection);
    set_pre_routing_handler([this](const httplib::Request& from, httplib::Response& to) {
      return begin(from, to) ? HandlerResponse::Handled : HandlerResponse::Unhandled;
    });
    const auto whole = [this](const httplib::Request& from, httplib::Response& to) {
      finish(from, to);
    };
    // Which path it is, the handler decides.
    Post("[\\s\\S]*", whole);
    Delete("[\\s\\S]*", whole);
    set_error_handler(HandlerWithResponse([this](const httplib::Request&, httplib::Response& to) {
      // The library's own refusals, of a form it cannot read for example, say no more than a
      // number.
      if (!to.has_header("X-Request-Id")) {
        const int status = to.status == 404 ? 400 : to.status;
        put(problem_reply(current()->request, status, "the body cannot be read"), to);
      }
      return HandlerResponse::Handled;
    }));
  }

  ~Impl() override { stop(); }

  int port() const {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    return ntohs(address.ss_family == AF_INET6
                     ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                     : reinterpret_cast<const sockaddr_in&>(address).sin_port);
  }

  void start() {
    acceptor_ = std::thread([this] { accept_all(); });
  }

  bool stopping() const { return stopping_; }

  void stop() {
    if (stopping_.exchange(true)) return;
    const std::uint64_t one = 1;
    if (write(wake_.get(), &one, sizeof one) < 0) { /* it is awake already */
    }
    if (acceptor_.joinable()) acceptor_.join();
    shutdown(listening_.get(), SHUT_RDWR);  // who comes now is refused, not left waiting
    if (!connections_.stop(std::chrono::milliseconds(limits_.drain_ms))) {
      svr_sock_ = INVALID_SOCKET;
      // A handler still running ends by its own limits: what it uses must outlive this.
      connections_.cut();
    }
    svr_sock_ = INVALID_SOCKET;
  }

 private:
  void accept_all() {
    while (!stopping_) {
      std::array<pollfd, 2> waiting{{{listening_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
      const int ready =
          poll(waiting.data(), waiting.size(), connections_.make_room() ? kRoomEveryMs : -1);
      if (stopping_) break;
      if (ready <= 0) continue;
      sockaddr_storage address{};
      socklen_t length = sizeof address;
      const int socket =
          accept4(listening_.get(), reinterpret_cast<sockaddr*>(&address), &length, SOCK_CLOEXEC);
      if (socket < 0) {
        // Out of descriptors: the queue of the system waits better than a loop.
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) usleep(10'000);
        continue;
      }
      const int yes = 1;
      setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      connections_.add(socket, peer_name(address));
    }
  }

  // One request after the other, until either side has had enough.
  void serve(int socket, const std::string& peer) {
    SocketStream stream(socket, peer);
    for (int count = 0; count < kRequestsAConnection && !stopping_; ++count) {
      connections_.set_waiting(socket);
      if (stopping_) break;
      const auto arrival =
          stream.next_head(count == 0 ? limits_.head_ms : limits_.idle_ms, limits_.head_ms,
                           limits_.body_ms, limits_.body_bytes, limits_.reply_ms);
      if (arrival == SocketStream::Arrival::kNothing) return;
      connections_.set_busy(socket);
      const bool again =
          arrival == SocketStream::Arrival::kRequest ? answer(stream) : refuse(stream);
      if (!again) break;
    }
    say_goodbye(socket);
  }

  // Lets a client that still sends read the reply, which a reset would throw away.
  static void say_goodbye(int socket) {
    shutdown(socket, SHUT_WR);
    std::array<char, 16 * 1024> block;
    const auto until = Clock::now() + std::chrono::seconds(1);
    while (Clock::now() < until) {
      pollfd entry{socket, POLLIN, 0};
      if (poll(&entry, 1, 200) <= 0 || recv(socket, block.data(), block.size(), 0) <= 0) return;
    }
  }

  // What the library's callbacks need to know of the request they are called for.
  struct Current {
    SocketStream* stream = nullptr;
    WebRequest request;
    bool refused = false;
    int status = 0;
  };
  static Current*& current() {
    thread_local Current* only = nullptr;
    return only;
  }

  bool refuse(SocketStream& stream) {
    WebRequest request;
    request.id = random_id();
    request.peer = stream.peer();
    const WebReply reply = problem_reply(request, stream.head().status, stream.head().problem);
    stream.send(
        fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
                    "X-Request-Id: {}\r\nConnection: close\r\n\r\n{}",
                    reply.status, status_title(reply.status), reply.content_type, reply.body.size(),
                    request.id, reply.body));
    done_(request, reply.status, stream.sent(), 0);
    return false;
  }

  bool answer(SocketStream& stream) {
    const auto start = Clock::now();
    Current now;
    now.stream = &stream;
    current() = &now;
    bool closed = false;
    const std::function<void(httplib::Request&)> nothing;
    bool written = process(stream, closed, nothing);
    if (!stream.flush()) written = false;
    current() = nullptr;
    if (now.request.id.empty()) now.request.id = random_id();
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    done_(now.request, now.status, stream.sent(), ms);
    return written && !closed && stream.body_was_read();
  }

  // The library's signature grew; a template, so that only the one there is gets compiled.
  template <typename S>
  bool process(S& stream, bool& closed, const std::function<void(httplib::Request&)>& setup) {
    if constexpr (requires { this->process_request(stream, false, closed, setup); }) {
      return this->process_request(stream, false, closed, setup);
    } else {
      return this->process_request(stream, stream.peer(), 0, std::string(), 0, false, closed,
                                   setup);
    }
  }

  // Called with the head alone. True where the reply is made.
  bool begin(const httplib::Request& from, httplib::Response& to) {
    Current& now = *current();
    WebRequest& request = now.request;
    request.method = from.method;
    request.path = from.path;
    request.peer = now.stream->peer();
    for (const auto& [name, value] : from.headers) {
      std::string lower = name;
      for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      request.headers.emplace(std::move(lower), value);
    }
    const RequestHead& head = now.stream->head();
    if (!head.range.empty()) request.headers["range"] = head.range;
    if (!head.accept_encoding.empty()) request.headers["accept-encoding"] = head.accept_encoding;
    request.id = request.header("x-request-id");
    const bool usable_id = !request.id.empty() && request.id.size() <= 64 &&
                           request.id.find_first_not_of(
                               "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "._-") == std::string::npos;
    if (!usable_id) request.id = random_id();
    request.params.insert(from.params.begin(), from.params.end());

    std::optional<WebReply> reply = admit_(request);
    const bool takes_body = request.method == "POST" || request.method == "DELETE";
    if (!reply && takes_body && head.has_body) return false;  // finish() is next
    if (!reply) reply = handle_(request);
    put(std::move(*reply), to);
    return true;
  }

  // Called with the body.
  void finish(const httplib::Request& from, httplib::Response& to) {
    Current& now = *current();
    now.stream->set_body_done();
    now.request.body = from.body;
    now.request.params.clear();
    now.request.params.insert(from.params.begin(), from.params.end());
    for (const auto& [name, file] : from.files) {
      now.request.parts.emplace(name, FormPart{file.content, file.filename, file.content_type});
    }
    put(handle_(now.request), to);
  }

  void put(WebReply reply, httplib::Response& to) {
    Current& now = *current();
    now.status = to.status = reply.status;
    for (const auto& [name, value] : reply.headers) to.headers.emplace(name, value);
    to.headers.emplace("X-Request-Id", now.request.id);
    if (!now.stream->body_was_read() || stopping_) to.headers.emplace("Connection", "close");
    if (reply.stream) {
      to.set_chunked_content_provider(
          reply.content_type,
          [stream = std::move(reply.stream)](std::size_t, httplib::DataSink& sink) {
            stream([&sink](std::string_view piece) {
              return sink.write(piece.data(), piece.size()) && sink.is_writable();
            });
            sink.done();
            return true;
          });
    } else if (reply.file && reply.file->length > 0) {
      to.set_content_provider(
          reply.file->length, reply.content_type,
          [file = *reply.file](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
            std::array<char, kFileBlock> block;
            const ssize_t n = pread(*file.descriptor, block.data(), std::min(length, block.size()),
                                    static_cast<off_t>(file.offset + offset));
            return n > 0 && sink.write(block.data(), static_cast<std::size_t>(n));
          });
    } else if (reply.shared_body && !reply.shared_body->empty()) {
      to.set_content_provider(reply.shared_body->size(), reply.content_type,
                              [body = reply.shared_body](std::size_t offset, std::size_t length,
                                                         httplib::DataSink& sink) {
                                return sink.write(body->data() + offset, length);
                              });
    } else if (!reply.content_type.empty()) {
      to.set_content(std::move(reply.body), reply.content_type.c_str());
    }
  }

  const ListenerLimits limits_;
  const Admit admit_;
  const Handle handle_;
  const Done done_;
  const Descriptor listening_, wake_;
  std::atomic<bool> stopping_ = false;
  std::thread acceptor_;
  Connections connections_;
};

Listener::Listener(const std::string& host, int port, const ListenerLimits& limits, Admit admit,
                   Handle handle, Done done)
    : impl_(std::make_unique<Impl>(host, port, limits, std::move(admit), std::move(handle),
                                   std::move(done))) {}
Listener::~Listener() = default;
int Listener::port() const { return impl_->port(); }
void Listener::start() { impl_->start(); }
void Listener::stop() { impl_->stop(); }
bool Listener::stopping() const { return impl_->stopping(); }

}  // namespace pgmmr
