#include "support/database.h"

#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "store/embedded_server.h"
#include "store/schema.h"
#include "support/places.h"

namespace pgmmr::test {
namespace {

namespace fs = std::filesystem;

// Other accounts may walk through the folder, since as root the server runs as `postgres`.
void open_to_all(const fs::path& folder) {
  fs::permissions(folder, fs::perms::group_exec | fs::perms::others_exec, fs::perm_options::add);
}

struct OwnServer {
  OwnServer() {
    open_to_all(folder.path());
    server.start();
  }
  ~OwnServer() {
    try {
      server.stop();
    } catch (const Error& error) {
      fmt::print(stderr, "{}\n", error.what());
    }
  }
  TemporaryFolder folder;
  EmbeddedServer server{folder.path() / "postgres", {.ends_with_process = true, .durable = false}};
};

// Of this build, as long as it stays where it is.
fs::path shared_folder() {
  return fs::temp_directory_path() /
         ("pgmmr-tests-" + sha256_hex(program().string()).substr(0, 16));
}

EmbeddedServer shared_server() { return EmbeddedServer(shared_folder(), {.durable = false}); }

// For libpq, without a database.
const std::string& server_url() {
  static const std::string url = [] {
    if (std::getenv("PGMMR_TEST_SERVER") == nullptr) {
      static OwnServer own;
      return own.server.url();
    }
    EmbeddedServer shared = shared_server();
    shared.start();
    return shared.url();
  }();
  return url;
}

std::string admin_url() { return server_url() + " dbname=postgres"; }

}  // namespace

void stop_shared_server() {
  shared_server().stop();
  fs::remove_all(shared_folder());
}

TemporaryDatabase::TemporaryDatabase(Setup setup) {
  static std::atomic<int> count = 0;
  name_ = fmt::format("test_{}_{}", getpid(), ++count);
  Connection admin(admin_url());
  admin.execute("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");  // of a killed namesake
  admin.execute("CREATE DATABASE " + name_);
  url_ = server_url() + " dbname=" + name_;
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
