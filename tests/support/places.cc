#include "support/places.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "support/process.h"

namespace pgmmr::test {

std::filesystem::path source_dir() { return PGMMR_SOURCE_DIR; }
std::filesystem::path program() { return PGMMR_PROGRAM; }
std::filesystem::path test_data() { return source_dir() / "tests/data"; }

std::optional<std::filesystem::path> conformance() {
  const char* named = std::getenv("PGMMR_CONFORMANCE");
  const std::filesystem::path folder = named != nullptr
                                           ? std::filesystem::path(named)
                                           : source_dir().parent_path() / "shared/conformance";
  if (!std::filesystem::exists(folder / "README.md")) return std::nullopt;
  return folder;
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "pgmmr-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

namespace {

std::string drain(int fd) {
  std::string text;
  std::array<char, 1 << 14> block{};
  for (ssize_t n = 0; (n = read(fd, block.data(), block.size())) > 0;) {
    text.append(block.data(), static_cast<std::size_t>(n));
  }
  close(fd);
  return text;
}

}  // namespace

Finished run(const std::vector<std::string>& command, const std::vector<std::string>& extra,
             const std::string& input) {
  std::vector<std::string> kept = environment_with(extra);
  std::vector<char*> env, argv;
  for (auto& one : kept) env.push_back(one.data());
  env.push_back(nullptr);
  std::vector<std::string> words = command;
  for (auto& one : words) argv.push_back(one.data());
  argv.push_back(nullptr);

  int in[2], out[2], err[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
    throw std::runtime_error("pipe failed");
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_adddup2(&actions, err[1], 2);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), env.data());
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  close(err[1]);
  if (failed != 0) throw std::runtime_error("cannot run " + command[0]);

  Finished finished;
  std::jthread writer([&] {
    std::string_view rest = input;
    while (!rest.empty()) {
      const ssize_t n = write(in[1], rest.data(), rest.size());
      if (n <= 0) break;
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    close(in[1]);
  });
  std::jthread errors([&] { finished.err = drain(err[0]); });
  finished.out = drain(out[0]);
  errors.join();
  writer.join();
  int status = 0;
  waitpid(pid, &status, 0);
  finished.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

}  // namespace pgmmr::test
