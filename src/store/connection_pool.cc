#include "store/connection_pool.h"

#include <fmt/core.h>

namespace pgmmr {

ConnectionPool::ConnectionPool(std::string url, int size, std::chrono::milliseconds patience)
    : url_(std::move(url)), size_(size), patience_(patience) {}

std::unique_ptr<Connection> ConnectionPool::take() {
  {
    std::unique_lock lock(mutex_);
    if (!returned_.wait_for(lock, patience_, [this] { return taken_ < size_; })) {
      throw Error(ErrorKind::kUnavailable,
                  fmt::format("waiting for a database connection: all {} were in use for {} ms",
                              size_, patience_.count()));
    }
    ++taken_;
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  try {
    return std::make_unique<Connection>(url_);
  } catch (...) {
    give_back(nullptr);
    throw;
  }
}

void ConnectionPool::give_back(std::unique_ptr<Connection> connection) noexcept {
  const bool died = connection && !connection->alive();
  std::vector<std::unique_ptr<Connection>> suspects;  // closed without the lock
  {
    const std::lock_guard lock(mutex_);
    --taken_;
    // What ended one, a server that was restarted for example, ended the others too; the second try
    // of with() must not be handed one of them.
    if (died) suspects.swap(idle_);
    if (connection && !died) idle_.push_back(std::move(connection));
  }
  returned_.notify_one();
}

int ConnectionPool::in_use() const {
  const std::lock_guard lock(mutex_);
  return taken_;
}

}  // namespace pgmmr
