#include "store/server_process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace pgmmr {
namespace {

constexpr const char* kServerAccount = "postgres";
constexpr int kHighestClosedFd = 65'536;

struct Child {
  std::vector<char*> argv;
  const char* directory = "/";
  const Account* account = nullptr;
  int out = -1;
  int inherited_fd = -1;
  bool new_session = false, ends_with_parent = false;
};

// Between fork and exec of a program with threads only async-signal-safe calls are allowed: all
// strings and the account's groups were made before.
[[noreturn]] void become(const Child& child, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int one : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT}) signal(one, SIG_DFL);
  if (child.new_session) setsid();
  umask(077);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, 0);
  dup2(child.out, 1);
  dup2(child.out, 2);
  if (child.inherited_fd >= 0) fcntl(child.inherited_fd, F_SETFD, 0);
  const long limit = sysconf(_SC_OPEN_MAX);
  for (int fd = 3; fd < limit && fd < kHighestClosedFd; ++fd) {
    if (fd != child.inherited_fd) close(fd);
  }
  if (child.account != nullptr) {
    const auto& account = *child.account;
    if (setgroups(account.groups.size(), account.groups.data()) != 0 || setgid(account.gid) != 0 ||
        setuid(account.uid) != 0) {
      _exit(126);
    }
  }
  if (child.ends_with_parent) {  // after setuid, which clears it
    prctl(PR_SET_PDEATHSIG, SIGINT);
    if (getppid() != parent) _exit(126);
  }
  if (chdir(child.directory) != 0) _exit(126);
  execvp(child.argv[0], child.argv.data());
  _exit(127);
}

std::vector<char*> pointers(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  return argv;
}

[[noreturn]] void fail(const std::string& what, const std::string& program) {
  throw Error(ErrorKind::kUnavailable,
              fmt::format("starting {}: {}: {}", program, what, std::strerror(errno)));
}

}  // namespace

std::optional<Account> server_account() {
  if (geteuid() != 0) return std::nullopt;
  const passwd* entry = getpwnam(kServerAccount);
  if (entry == nullptr || entry->pw_uid == 0) {
    throw Error(ErrorKind::kUnavailable,
                fmt::format("starting PostgreSQL as root: there is no account \"{}\" to run it as, "
                            "since it refuses to run as root; make one (useradd --system {}), or "
                            "run pgmmr as an ordinary user",
                            kServerAccount, kServerAccount));
  }
  Account account{kServerAccount, entry->pw_uid, entry->pw_gid, {}};
  account.groups.resize(64);
  int count = static_cast<int>(account.groups.size());
  if (getgrouplist(kServerAccount, account.gid, account.groups.data(), &count) < 0) count = 0;
  account.groups.resize(static_cast<std::size_t>(count));
  return account;
}

CommandOutput run_command(const std::vector<std::string>& command,
                          const std::optional<Account>& account) {
  std::array<int, 2> out{};
  if (pipe2(out.data(), O_CLOEXEC) != 0) fail("making a pipe", command[0]);
  Child child;
  child.argv = pointers(command);
  child.account = account ? &*account : nullptr;
  child.out = out[1];
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) become(child, parent);
  close(out[1]);
  if (pid < 0) {
    close(out[0]);
    fail("fork", command[0]);
  }
  CommandOutput output;
  std::array<char, 4096> block{};
  for (;;) {
    const ssize_t n = read(out[0], block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    output.text.append(block.data(), static_cast<std::size_t>(n));
  }
  close(out[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  output.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

pid_t start_detached(const std::vector<std::string>& command, const std::optional<Account>& account,
                     const DetachedOptions& options) {
  const int log = open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) fail("opening its log " + options.log.string(), command[0]);
  Child child;
  child.argv = pointers(command);
  child.directory = options.directory.c_str();
  child.account = account ? &*account : nullptr;
  child.out = log;
  child.inherited_fd = options.inherited_fd;
  child.new_session = true;
  child.ends_with_parent = options.ends_with_parent;
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) become(child, parent);
  close(log);
  if (pid < 0) fail("fork", command[0]);
  return pid;
}

}  // namespace pgmmr
