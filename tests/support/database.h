// A real PostgreSQL for tests: one throw-away server a test process, in a folder of its own,
// started when the first test asks and gone with the process, even where that is killed. As root
// too.
#pragma once

#include <string>

#include "store/connection.h"
#include "store/embedded_server.h"

namespace pgmmr::test {

// The process's server. First called on the main thread.
EmbeddedServer& database_server();

// A database of its own on that server, set up by migrate(), dropped with the object.
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
