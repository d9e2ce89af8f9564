#include "http/connections.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace pgmmr {
namespace {

constexpr int kIdleThreadS = 30;
constexpr auto kGrace = std::chrono::milliseconds(200);  // to say something, however full it is
// With the threads' own, fewer descriptors than select() can name, which the library may use.
constexpr int kMostQueued = 256;

}  // namespace

Connections::Connections(int limit, Serve serve) : limit_(limit), serve_(std::move(serve)) {}

void Connections::add(int socket, std::string peer) {
  const std::lock_guard lock(mutex_);
  const auto waiting = static_cast<int>(accepted_.size());
  if (waiting >= kMostQueued) {
    close(socket);
    return;
  }
  accepted_.push_back({socket, std::move(peer)});
  if (waiting < idle_threads_) {
    work_.notify_one();
  } else if (threads_ < limit_) {
    try {
      std::thread([this] { serve_all(); }).detach();
      ++threads_;
    } catch (const std::system_error&) {
      work_.notify_one();  // one of those there are must do
    }
  }
}

bool Connections::make_room() {
  const std::lock_guard lock(mutex_);
  const auto waiting = static_cast<std::ptrdiff_t>(accepted_.size());
  if (waiting <= idle_threads_ || threads_ < limit_) return false;
  std::vector<std::pair<int, Connected*>> candidates;
  std::ptrdiff_t leaving = 0;
  for (auto& [socket, connected] : connections_) {
    if (connected.sent_away) {
      ++leaving;
    } else if (!connected.busy && Clock::now() - connected.since > kGrace) {
      candidates.emplace_back(socket, &connected);
    }
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const auto& a, const auto& b) { return a.second->since < b.second->since; });
  for (const auto& [socket, connected] : candidates) {
    if (leaving++ >= waiting) break;
    shutdown(socket, SHUT_RDWR);
    connected->sent_away = true;
  }
  return true;
}

void Connections::serve_all() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_threads_;
    work_.wait_for(lock, std::chrono::seconds(kIdleThreadS),
                   [this] { return stopping_ || !accepted_.empty(); });
    --idle_threads_;
    if (accepted_.empty()) break;  // stopped, or nothing to do for long: one thread less
    const Accepted accepted = std::move(accepted_.front());
    accepted_.pop_front();
    connections_[accepted.socket] = {};
    lock.unlock();
    serve_(accepted.socket, accepted.peer);
    lock.lock();
    connections_.erase(accepted.socket);
    close(accepted.socket);
  }
  if (--threads_ == 0) gone_.notify_all();
}

void Connections::set_busy(int socket, bool busy) {
  const std::lock_guard lock(mutex_);
  auto& connected = connections_[socket];
  connected.busy = busy;
  connected.since = Clock::now();
}

bool Connections::stop(std::chrono::milliseconds drain) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  for (const auto& [socket, connected] : connections_) {
    if (!connected.busy) shutdown(socket, SHUT_RDWR);
  }
  work_.notify_all();
  return gone_.wait_for(lock, drain, [this] { return threads_ == 0; });
}

void Connections::cut() {
  std::unique_lock lock(mutex_);
  for (const auto& [socket, connected] : connections_) shutdown(socket, SHUT_RDWR);
  gone_.wait(lock, [this] { return threads_ == 0; });
}

}  // namespace pgmmr
