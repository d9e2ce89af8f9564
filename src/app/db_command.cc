// pgmmr db: the PostgreSQL that the program runs for itself, and copies of what a database holds.
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/command.h"
#include "base/error.h"
#include "base/file.h"
#include "base/settings.h"
#include "store/collection.h"
#include "store/connection.h"
#include "store/embedded_server.h"
#include "store/installation.h"
#include "store/schema.h"
#include "store/server_process.h"

namespace pgmmr {
namespace {

namespace fs = std::filesystem;

void require_embedded(const char* what) {
  if (const auto url = environment("PGMMR_DATABASE_URL")) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{} the embedded PostgreSQL: PGMMR_DATABASE_URL names another server, "
                            "which pgmmr does not run; unset it",
                            what));
  }
}

// A client program of the installation that fits the server, else whatever PATH has.
std::string client_program(const std::string& name) {
  for (const auto& one : find_installations()) {
    if (fs::exists(one.bin / name)) return (one.bin / name).string();
  }
  return name;
}

[[noreturn]] void replace_by(std::vector<std::string> command) {
  std::vector<char*> argv;
  for (auto& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::fflush(stdout);
  // What this program blocks and ignores would be inherited.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  execvp(argv[0], argv.data());
  throw Error(ErrorKind::kNotFound,
              fmt::format("starting {}: {}; install PostgreSQL's client programs", command[0],
                          std::strerror(errno)));
}

// The connection string for a program that is started: a command line shows to every user of the
// machine, so a password goes by the environment.
std::string hand_over(const std::string& url) {
  const auto split = split_password(url);
  if (split.password) setenv("PGPASSWORD", split.password->c_str(), 1);
  return split.rest;
}

void start() {
  require_embedded("starting");
  EmbeddedServer server;
  server.start();
  Connection connection(server.url());
  migrate(connection);
  const auto status = server.status();
  fmt::print(stderr, "PostgreSQL {} runs in {} (pid {})\n", status.version,
             status.directory.string(), status.pid);
}

void stop() {
  require_embedded("stopping");
  EmbeddedServer server;
  const bool running = server.status().running;
  server.stop();
  fmt::print(stderr, "{}\n", running ? "stopped" : "was not running");
}

void status() {
  if (const auto url = environment("PGMMR_DATABASE_URL")) {
    Connection connection(*url);
    fmt::print("{}\n", connection.execute("SELECT version()").text(0, 0));
    return;
  }
  const auto found = EmbeddedServer().status();
  fmt::print("directory  {}\nversion    {}\nrunning    {}\n", found.directory.string(),
             found.version.empty() ? "none installed" : found.version,
             found.running ? fmt::format("yes, pid {}", found.pid) : "no");
}

void psql(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {client_program("psql"), hand_over(database_url())};
  command.insert(command.end(), arguments.begin(), arguments.end());
  replace_by(std::move(command));
}

void run_client(const std::string& what, const std::vector<std::string>& command) {
  const auto output = run_command(command);
  if (output.exit_code == 0) return;
  throw Error(ErrorKind::kUnavailable, fmt::format("{}: {} ended with {}: {}", what, command[0],
                                                   output.exit_code, output.text));
}

void backup(const std::string& file) {
  const std::string url = hand_over(database_url());
  Replacement replacement(fs::absolute(file));
  run_client("backing up to " + file, {client_program("pg_dump"), "--format=custom",
                                       "--file=" + replacement.part().string(), "--dbname=" + url});
  replacement.commit();
}

// Only into a database without collections: nothing but `collection drop` drops a user's table.
void restore(const std::string& file) {
  if (!fs::is_regular_file(file)) {
    throw Error(ErrorKind::kNotFound, "restoring " + file + ": no such file");
  }
  const std::string url = database_url();
  {
    Connection connection(url);
    migrate(connection);
    const auto there = list_collections(connection);
    if (!there.empty()) {
      throw Error(ErrorKind::kConflict,
                  fmt::format("restoring {}: the database holds {} collections ({} …), expected "
                              "none: drop them first, or restore into another database",
                              file, there.size(), there.front().name));
    }
    drop_empty_schema(connection);
  }
  run_client("restoring " + file,
             {client_program("pg_restore"), "--no-owner", "--single-transaction", "--exit-on-error",
              "--dbname=" + hand_over(url), fs::absolute(file).string()});
  Connection connection(url);
  migrate(connection);
}

}  // namespace

void add_db_command(CLI::App& app, int&) {
  CLI::App* db = app.add_subcommand("db", "The embedded PostgreSQL, and backups of a database");
  db->require_subcommand(1);
  db->add_subcommand("start", "Start it (commands that need it do so by themselves)")
      ->callback(start);
  db->add_subcommand("stop", "Stop it")->callback(stop);
  db->add_subcommand("status", "Say whether it runs, and where")->callback(status);
  db->add_subcommand("url", "Print its connection string")->callback([] {
    fmt::print("{}\n", database_url());
  });
  auto* shell = db->add_subcommand("psql", "Open psql on the database; arguments are psql's");
  shell->prefix_command();
  shell->callback([shell] { psql(shell->remaining()); });
  auto file = std::make_shared<std::string>();
  auto* save = db->add_subcommand("backup", "Write everything into FILE (pg_dump's custom format)");
  save->add_option("FILE", *file, "The file to write")->required();
  save->callback([file] { backup(*file); });
  auto* load = db->add_subcommand("restore", "Read a backup into a database without collections");
  load->add_option("FILE", *file, "The file to read")->required();
  load->callback([file] { restore(*file); });
}

}  // namespace pgmmr
