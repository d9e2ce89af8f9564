// Programs run as another user: PostgreSQL refuses to run as root, so for root its programs are
// started as the unprivileged account `postgres`, otherwise as oneself.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pgmmr {

struct Account {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

// Whom to become: nothing where we are not root.
//   throws  Error{kUnavailable} where root finds no account `postgres`
std::optional<Account> server_account();

struct CommandOutput {
  int exit_code = -1;  // 128 + signal where it was killed
  std::string text;    // stdout and stderr together
};

// Runs a program to its end, stdin empty, in `/`.
CommandOutput run_command(const std::vector<std::string>& command,
                          const std::optional<Account>& account = std::nullopt);

struct DetachedOptions {
  std::filesystem::path log;        // appended to; gets stdout and stderr
  std::filesystem::path directory;  // to run in
  int inherited_fd = -1;            // stays open in the program, the only one besides 0, 1, 2
  bool ends_with_parent = false;    // SIGINT when the thread that started it ends
};

// Starts a program in a session of its own and returns its process id. It outlives this process.
pid_t start_detached(const std::vector<std::string>& command, const std::optional<Account>& account,
                     const DetachedOptions& options);

}  // namespace pgmmr
