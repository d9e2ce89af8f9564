// The PostgreSQL that the program runs for itself when nobody names another: private to the data
// folder, reached through a unix socket only, shared by all commands, left running between them.
//
// Layout of the folder, owned by whom the server runs as, mode 0700:
//   data/         PostgreSQL's own; made once beside, synced, and renamed into place
//   start.lock    held while somebody initialises, starts or stops
//   running.lock  held by the server and its children as long as one of them lives, whoever started
//                 it: two servers on one folder are impossible, even from two containers
//   server.log    its log, cut at a few MB
//   .s.PGSQL…     the socket; where the path is too long for one, in /tmp/pgmmr-<digest>
// Only the folder's mode guards the socket, so authentication is `trust`.
#pragma once

#include <filesystem>
#include <string>

namespace pgmmr {

struct ServerStatus {
  bool running = false;
  int pid = 0;
  std::filesystem::path directory;
  std::string version;  // "15.18", of the binaries; empty where none are found
};

struct ServerOptions {
  bool ends_with_process = false;  // tests: goes when the thread that started it ends
  bool durable = true;             // false: fsync off
};

// As root the server runs as the unprivileged user `postgres`, which owns the folder.
class EmbeddedServer {
 public:
  // directory: data_dir() / "postgres" by default. Nothing is touched until start().
  explicit EmbeddedServer(std::filesystem::path directory, ServerOptions options = {});
  EmbeddedServer();

  // Initialises the folder the first time, starts the server unless it runs, waits until it
  // answers (also through crash recovery), makes the database. Safe from several processes at once;
  // a stale postmaster.pid is recognised.
  //   throws  Error{kUnavailable} with the end of the server's log, or with what is not installed;
  //           kUnsupported for a folder of a PostgreSQL version that isn't installed
  void start();

  // Fast shutdown; nothing to do where it isn't running.
  void stop();

  ServerStatus status() const;
  std::string url() const;  // for libpq: host=<folder> dbname=pgmmr user=pgmmr
  std::filesystem::path data() const { return directory_ / "data"; }
  std::filesystem::path log() const { return directory_ / "server.log"; }

 private:
  bool answers(const std::string& database) const;
  int running_pid() const;
  void prepare_folder() const;
  void initialise() const;
  void launch(int running_lock) const;

  std::filesystem::path directory_;
  ServerOptions options_;
};

// $PGMMR_DATABASE_URL, else the embedded server's, started if need be.
std::string database_url();

}  // namespace pgmmr
