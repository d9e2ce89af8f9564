#include "support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

extern char** environ;

namespace pgmmr::test {

std::vector<std::string> environment_with(const std::vector<std::string>& extra) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    bool replaced = false;
    for (const auto& one : extra) {
      replaced |= text.compare(0, one.find('=') + 1, one, 0, one.find('=') + 1) == 0;
    }
    if (!replaced) variables.push_back(text);
  }
  variables.insert(variables.end(), extra.begin(), extra.end());
  return variables;
}

Process::Process(std::vector<std::string> command, const std::vector<std::string>& environment,
                 const std::string& err) {
  std::vector<std::string> variables = environment_with(environment);
  std::vector<char*> argv, envp;
  for (auto& word : command) argv.push_back(word.data());
  for (auto& variable : variables) envp.push_back(variable.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int failed = posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  out_ = ends[0];
  if (failed == 0) return;
  close(out_);
  throw std::runtime_error("cannot run " + command[0]);
}

Process::~Process() {
  if (pid_ > 0) stop(SIGKILL);
  close(out_);
}

bool Process::ended() const {
  siginfo_t info{};
  return pid_ <= 0 ||
         (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          info.si_pid == pid_);
}

std::string Process::line() const {
  std::string text;
  for (char c = 0; read(out_, &c, 1) == 1 && c != '\n';) text += c;
  return text;
}

int Process::stop(int signal) {
  if (pid_ <= 0) return -1;  // 0 and below would be whole groups of processes
  if (signal != 0) kill(pid_, signal);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace pgmmr::test
