// The PostgreSQL that the program runs for itself when nobody names another: private to the data
// folder, reached through a unix socket only, shared by all commands, left running between them.
#pragma once

#include <filesystem>
#include <string>

namespace pgmmr {

struct ServerStatus {
  bool running = false;
  int pid = 0;
  std::filesystem::path directory;
  std::string version;  // "15.18", of the binaries
};

// As root the server runs as the unprivileged user `postgres`, which owns the folder.
class EmbeddedServer {
 public:
  // directory: data_dir() / "postgres" by default. Nothing is touched until start().
  explicit EmbeddedServer(std::filesystem::path directory);
  EmbeddedServer();

  // Initialises the folder the first time, starts the server unless it runs, waits until it
  // answers. Safe from several processes at once (lock file); a stale postmaster.pid is recognised.
  //   throws  Error{kUnavailable} with the end of the server's log
  void start();
  void stop();  // fast shutdown; nothing to do where it isn't running
  ServerStatus status() const;
  std::string url() const;  // for libpq: host=<folder> dbname=pgmmr user=…

 private:
  std::filesystem::path directory_;
};

// $PGMMR_DATABASE_URL, else the embedded server's, started if need be.
std::string database_url();

}  // namespace pgmmr
