// Where a test finds things: the repository, the conformance kit, the built program, a folder of
// its own.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pgmmr::test {

std::filesystem::path source_dir();  // the repository
std::filesystem::path program();     // the built pgmmr

// The conformance kit beside the repository ($PGMMR_CONFORMANCE, else ../shared/conformance);
// nothing where it isn't.
std::optional<std::filesystem::path> conformance();

// The small own set of the same kinds, in the repository.
std::filesystem::path test_data();

// A folder that is deleted with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Runs a command without a shell, stdin empty (or input), with extra environment "NAME=value".
struct Finished {
  int exit_code = -1;  // 128 + signal where it was killed
  std::string out, err;
};
Finished run(const std::vector<std::string>& command,
             const std::vector<std::string>& environment = {}, const std::string& input = "");

}  // namespace pgmmr::test

// Skips the test, and says so, where the conformance kit is not beside the repository.
#define PGMMR_NEEDS_CONFORMANCE() \
  if (!pgmmr::test::conformance()) GTEST_SKIP() << "no conformance kit beside the repository"
