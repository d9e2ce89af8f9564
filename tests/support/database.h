// A real PostgreSQL for tests, throw-away, started when the first test asks. As root too. Under
// ctest all test processes of a build share one, which lives until the last of them has ended
// (tests/support/stop_database.cc); a test program started by hand has its own, gone with the
// process, even where that is killed.
#pragma once

#include <string>

#include "store/connection.h"

namespace pgmmr::test {

// Ends the server that test processes share, and deletes its folder. Nothing to do without one.
void stop_shared_server();

// A database of its own on that server, set up by migrate(), dropped with the object. The
// first one of a process is made on its main thread.
class TemporaryDatabase {
 public:
  enum class Setup { kMigrated, kEmpty };
  explicit TemporaryDatabase(Setup setup = Setup::kMigrated);
  ~TemporaryDatabase();
  TemporaryDatabase(const TemporaryDatabase&) = delete;
  TemporaryDatabase& operator=(const TemporaryDatabase&) = delete;

  const std::string& url() const { return url_; }
  Connection connect() const { return Connection(url_); }

 private:
  std::string name_, url_;
};

}  // namespace pgmmr::test
