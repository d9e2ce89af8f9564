#include "support/database.h"

#include <fmt/core.h>

#include <atomic>
#include <filesystem>

#include "base/error.h"
#include "store/schema.h"
#include "support/places.h"

namespace pgmmr::test {
namespace {

// Other accounts may walk through the folder, since as root the server runs as `postgres`.
struct Server {
  Server() {
    namespace fs = std::filesystem;
    fs::permissions(folder.path(), fs::perms::group_exec | fs::perms::others_exec,
                    fs::perm_options::add);
    server.start();
  }
  ~Server() {
    try {
      server.stop();
    } catch (const Error& error) {
      fmt::print(stderr, "{}\n", error.what());
    }
  }
  TemporaryFolder folder;
  EmbeddedServer server{folder.path() / "postgres", {.ends_with_process = true, .durable = false}};
};

std::string admin_url() { return database_server().url() + " dbname=postgres"; }

}  // namespace

EmbeddedServer& database_server() {
  static Server only;
  return only.server;
}

TemporaryDatabase::TemporaryDatabase(Setup setup) {
  static std::atomic<int> count = 0;
  name_ = fmt::format("test_{}", ++count);
  Connection(admin_url()).execute("CREATE DATABASE " + name_);
  url_ = database_server().url() + " dbname=" + name_;
  if (setup == Setup::kMigrated) {
    Connection connection(url_);
    migrate(connection);
  }
}

TemporaryDatabase::~TemporaryDatabase() {
  try {
    Connection(admin_url()).execute("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
}

}  // namespace pgmmr::test
