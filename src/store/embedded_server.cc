#include "store/embedded_server.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <libpq-fe.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/settings.h"
#include "store/connection.h"
#include "store/installation.h"
#include "store/server_configuration.h"
#include "store/server_process.h"

namespace pgmmr {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr const char* kDatabase = "pgmmr";
constexpr const char* kUser = "pgmmr";
constexpr std::size_t kLongestSocketPath = 107;  // sockaddr_un, without its zero byte
constexpr std::string_view kSocketName = "/.s.PGSQL.5432.lock";
constexpr auto kPause = milliseconds(20);
constexpr auto kStopPatience = seconds(60);
constexpr auto kStartPatience = seconds(600);  // crash recovery replays up to max_wal_size

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorKind::kUnavailable, "embedded PostgreSQL: " + message);
}

[[noreturn]] void fail_errno(const std::string& message) {
  fail(message + ": " + std::strerror(errno));
}

// An flock on a file, let go in the destructor, or handed to a child that keeps it.
class FileLock {
 public:
  explicit FileLock(const fs::path& path)
      : fd_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) {
    if (fd_ < 0) fail_errno("opening " + path.string());
  }
  ~FileLock() { close(fd_); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  bool acquire(std::chrono::steady_clock::duration patience) {
    const auto end = steady_clock::now() + patience;
    while (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      if (steady_clock::now() >= end) return false;
      std::this_thread::sleep_for(kPause);
    }
    return true;
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

fs::path socket_folder(const fs::path& directory) {
  if (directory.string().size() + kSocketName.size() <= kLongestSocketPath) return directory;
  return "/tmp/pgmmr-" + sha256_hex(directory.string()).substr(0, 20);
}

// Mode 0700 and ours, or an error: a folder under /tmp could be somebody else's trap.
void make_private_folder(const fs::path& folder, const std::optional<Account>& account) {
  const uid_t owner = account ? account->uid : geteuid();
  const bool made = mkdir(folder.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) fail_errno("making the folder " + folder.string());
  if (made && account && lchown(folder.c_str(), account->uid, account->gid) != 0) {
    fail_errno("handing the folder " + folder.string() + " to " + account->name);
  }
  struct stat found {};
  if (lstat(folder.c_str(), &found) != 0) fail_errno("looking at " + folder.string());
  if (!S_ISDIR(found.st_mode)) fail(folder.string() + " is not a folder");
  if (found.st_uid != owner) {
    fail(fmt::format("{} belongs to user {}, expected {}", folder.string(), found.st_uid, owner));
  }
  if ((found.st_mode & 0777) != 0700 && chmod(folder.c_str(), 0700) != 0) {
    fail_errno("making the folder " + folder.string() + " private");
  }
}

// The account must be able to walk to the folder: names the parent that bars the way.
void check_way(const fs::path& folder, const Account& account) {
  fs::path way;
  for (const auto& part : folder.parent_path()) {
    way /= part;
    struct stat found {};
    if (stat(way.c_str(), &found) != 0) fail_errno("looking at " + way.string());
    const bool open = (found.st_mode & S_IXOTH) != 0 ||
                      (found.st_uid == account.uid && (found.st_mode & S_IXUSR) != 0) ||
                      (found.st_gid == account.gid && (found.st_mode & S_IXGRP) != 0);
    if (!open) {
      fail(
          fmt::format("as root it runs as user {}, which may not enter {} (mode {:o}): chmod o+x "
                      "it, or name another place with PGMMR_DATA_DIR",
                      account.name, way.string(), found.st_mode & 0777));
    }
  }
}

std::string log_end(const fs::path& log) {
  std::ifstream in(log, std::ios::binary | std::ios::ate);
  if (!in) return "no log";
  constexpr std::streamoff kShown = 1000;
  const auto size = static_cast<std::streamoff>(in.tellg());
  in.seekg(std::max<std::streamoff>(0, size - kShown));
  std::string text{std::istreambuf_iterator<char>(in), {}};
  for (auto& c : text) c = c == '\n' ? ' ' : c;
  return text;
}

// The server appends, so a file cut under its hands stays sound.
void bound_log(const fs::path& log) {
  constexpr std::uintmax_t kMaxLogBytes = std::uintmax_t{4} << 20;
  std::error_code code;
  if (fs::file_size(log, code) <= kMaxLogBytes || code) return;
  fs::resize_file(log, 0, code);
}

// A zombie answers kill(0); another program may have got the number of a server that died: a
// postmaster of this folder runs in it.
bool is_server(int pid, const fs::path& data) {
  if (pid <= 0 || (kill(pid, 0) != 0 && errno != EPERM)) return false;
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text{std::istreambuf_iterator<char>(stat), {}};
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos || text.size() < name_end + 3) return false;
  if (text[name_end + 2] == 'Z' || text[name_end + 2] == 'X') return false;
  std::error_code code;
  const auto runs_in = fs::read_symlink("/proc/" + std::to_string(pid) + "/cwd", code);
  if (!code) return fs::equivalent(runs_in, data, code) && !code;
  // Root in a container may not look there: the command line is open to everybody.
  std::ifstream in("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  for (std::string word; std::getline(in, word, '\0');) {
    if (word == data.string()) return true;
  }
  return false;
}

std::optional<int> data_version(const fs::path& data) {
  std::ifstream in(data / "PG_VERSION");
  int major = 0;
  if (!(in >> major)) return std::nullopt;
  return major;
}

fs::path absolute_of(const fs::path& directory) {
  return fs::absolute(directory).lexically_normal();
}

}  // namespace

EmbeddedServer::EmbeddedServer(fs::path directory, ServerOptions options)
    : directory_(absolute_of(directory)), options_(options) {
  if (!directory_.has_filename()) directory_ = directory_.parent_path();
}

EmbeddedServer::EmbeddedServer() : EmbeddedServer(data_dir() / "postgres") {}

std::string EmbeddedServer::url() const {
  // Quoted as libpq's key=value strings want it.
  std::string host;
  for (const char c : socket_folder(directory_).string()) {
    if (c == '\'' || c == '\\') host += '\\';
    host += c;
  }
  return fmt::format("host='{}' port=5432 dbname={} user={}", host, kDatabase, kUser);
}

bool EmbeddedServer::answers(const std::string& database) const {
  return PQping((url() + " connect_timeout=5 dbname=" + database).c_str()) == PQPING_OK;
}

int EmbeddedServer::running_pid() const {
  std::ifstream in(data() / "postmaster.pid");
  int pid = 0;
  if (!(in >> pid)) return 0;
  if (is_server(pid, data())) return pid;
  return 0;
}

ServerStatus EmbeddedServer::status() const {
  ServerStatus status;
  status.directory = directory_;
  status.pid = running_pid();
  status.running = status.pid != 0;
  const auto major = data_version(data());
  for (const auto& one : find_installations()) {
    if (!status.version.empty()) break;
    if (!major || one.major == *major) status.version = one.version;
  }
  return status;
}

void EmbeddedServer::prepare_folder() const {
  const auto account = server_account();
  std::error_code code;
  fs::create_directories(directory_.parent_path(), code);
  if (code) {
    fail("making the folder " + directory_.parent_path().string() + ": " + code.message());
  }
  if (account) check_way(directory_, *account);
  make_private_folder(directory_, account);
  const auto sockets = socket_folder(directory_);
  if (sockets != directory_) make_private_folder(sockets, account);
}

// Into a folder beside and renamed: a folder `data` is always a whole one.
void EmbeddedServer::initialise() const {
  const auto account = server_account();
  const auto installation = choose_installation();
  const fs::path fresh = directory_ / "data.new";
  std::error_code code;
  fs::remove_all(fresh, code);
  const std::string initdb = (installation.bin / "initdb").string();
  const auto made = run_command(
      {initdb, "--pgdata=" + fresh.string(), "--no-sync", "--username=" + std::string(kUser),
       "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"},
      account);
  if (made.exit_code != 0) {
    fs::remove_all(fresh, code);
    fail(fmt::format("initdb in {} failed with exit code {}: {}", directory_.string(),
                     made.exit_code, made.text));
  }
  {
    std::ofstream conf(fresh / "postgresql.conf", std::ios::app);
    conf << "include_if_exists = 'pgmmr.conf'\n";
  }
  if (options_.durable) {
    const auto synced = run_command({initdb, "--pgdata=" + fresh.string(), "--sync-only"}, account);
    if (synced.exit_code != 0) fail("syncing " + fresh.string() + ": " + synced.text);
  }
  fs::rename(fresh, data(), code);
  if (code) fail("renaming " + fresh.string() + " to data: " + code.message());
}

void EmbeddedServer::launch(int running_lock) const {
  const auto account = server_account();
  const auto installation = choose_installation(data_version(data()));
  write_configuration(data() / "pgmmr.conf",
                      {socket_folder(directory_), options_.durable, installation.major});
  // Whoever holds the lock knows that no server runs here: a pid file is a dead one's.
  std::error_code code;
  fs::remove(data() / "postmaster.pid", code);
  fs::remove(socket_folder(directory_) / ".s.PGSQL.5432.lock", code);
  bound_log(log());
  if (account) {
    if (chown((data() / "pgmmr.conf").c_str(), account->uid, account->gid) != 0) {
      fail_errno("handing pgmmr.conf to " + account->name);
    }
  }
  const pid_t pid =
      start_detached({(installation.bin / "postgres").string(), "-D", data().string()}, account,
                     {.log = log(),
                      .directory = directory_,
                      .inherited_fd = running_lock,
                      .ends_with_parent = options_.ends_with_process});
  const auto end = steady_clock::now() + kStartPatience;
  while (!answers("postgres")) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) == pid) {
      fail(fmt::format("the server in {} ended while starting; its log ends: {}",
                       directory_.string(), log_end(log())));
    }
    if (steady_clock::now() > end) {
      fail(fmt::format("the server in {} (pid {}) does not answer after {} s; its log ends: {}",
                       directory_.string(), pid, kStartPatience.count(), log_end(log())));
    }
    std::this_thread::sleep_for(kPause);
  }
}

void EmbeddedServer::start() {
  // The usual case costs a connection and no lock.
  if (running_pid() != 0) {
    bound_log(log());
    try {
      Connection connection(url());
      return;
    } catch (const Error&) {
      // Stopping just now, or its database is not made yet: the long way finds out.
    }
  }
  prepare_folder();
  FileLock starting(directory_ / "start.lock");
  if (!starting.acquire(kStartPatience)) {
    fail("another pgmmr has held " + (directory_ / "start.lock").string() + " for " +
         std::to_string(kStartPatience.count()) + " s");
  }
  if (!data_version(data())) {
    if (fs::exists(data())) {
      fail(data().string() + " exists and holds no PostgreSQL (no PG_VERSION): move it away");
    }
    initialise();
  }
  if (running_pid() == 0) {
    const auto major = data_version(data());
    const auto found = find_installations();
    const bool have =
        std::ranges::any_of(found, [&](const auto& one) { return one.major == major; });
    if (!have) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("embedded PostgreSQL: {} was made by version {}, which is not "
                              "installed here{}: install it, or dump with it (pgmmr db backup) and "
                              "restore into a new folder",
                              data().string(), *major,
                              found.empty() ? "" : " (newest is " + found.front().version + ")"));
    }
    // Children of a killed server hold it for the moment that they need to notice.
    FileLock running(directory_ / "running.lock");
    if (!running.acquire(seconds(30))) {
      fail(
          "a server that this process cannot see (another container, or one being stopped) holds " +
          (directory_ / "running.lock").string());
    }
    launch(running.fd());
  } else {
    const auto end = steady_clock::now() + kStartPatience;
    while (!answers("postgres") && steady_clock::now() < end && running_pid() != 0) {
      std::this_thread::sleep_for(kPause);
    }
  }
  Connection connection(url() + " dbname=postgres");
  if (connection.execute("SELECT 1 FROM pg_database WHERE datname = $1", {Param::text(kDatabase)})
          .rows() == 0) {
    connection.execute("CREATE DATABASE pgmmr");
  }
}

void EmbeddedServer::stop() {
  if (running_pid() == 0) return;
  FileLock starting(directory_ / "start.lock");
  if (!starting.acquire(kStartPatience)) fail("somebody is starting it and does not finish");
  const int pid = running_pid();
  if (pid == 0) return;
  if (kill(pid, SIGINT) != 0 && errno != ESRCH) {
    fail_errno(fmt::format("stopping the server in {} (pid {})", directory_.string(), pid));
  }
  const auto end = steady_clock::now() + kStopPatience;
  while (is_server(pid, data())) {
    if (steady_clock::now() > end) {
      fail(fmt::format("the server in {} (pid {}) has not stopped after {} s; its log ends: {}",
                       directory_.string(), pid, kStopPatience.count(), log_end(log())));
    }
    std::this_thread::sleep_for(kPause);
  }
  waitpid(pid, nullptr, WNOHANG);  // where it is our child
}

std::string database_url() {
  if (auto url = environment("PGMMR_DATABASE_URL")) return *url;
  EmbeddedServer server;
  server.start();
  return server.url();
}

}  // namespace pgmmr
