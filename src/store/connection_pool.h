// A few connections that many threads take turns with.
//
// As many as the database has cores to answer with: more only wait inside it instead of here, where
// the wait is bounded and shows.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "store/connection.h"

namespace pgmmr {

class ConnectionPool {
 public:
  // Connects when first needed.
  //   patience  how long to wait for a connection that others hold
  ConnectionPool(std::string url, int size, std::chrono::milliseconds patience);
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  // Calls read(connection) with a connection that is its own meanwhile; once more with a new one
  // where the connection turned out to be dead, so read must be repeatable.
  //   throws   Error{kUnavailable} where none is free in time or the server cannot be reached; what
  //            read throws
  //   threads  safe to call at once
  template <typename Read>
  auto with(Read&& read) {
    for (bool again = false;; again = true) {
      Lease lease(*this);
      try {
        return read(lease.connection());
      } catch (const Error& error) {
        const bool died = error.kind() == ErrorKind::kUnavailable && !lease.connection().alive();
        if (!died || again) throw;
      }
    }
  }

  int in_use() const;

 private:
  class Lease {
   public:
    explicit Lease(ConnectionPool& pool) : pool_(pool), connection_(pool.take()) {}
    ~Lease() { pool_.give_back(std::move(connection_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Connection& connection() { return *connection_; }

   private:
    ConnectionPool& pool_;
    std::unique_ptr<Connection> connection_;
  };

  std::unique_ptr<Connection> take();
  void give_back(std::unique_ptr<Connection> connection) noexcept;

  const std::string url_;
  const int size_;
  const std::chrono::milliseconds patience_;
  mutable std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Connection>> idle_;  // guarded by mutex_
  int taken_ = 0;                                  // guarded by mutex_
};

}  // namespace pgmmr
