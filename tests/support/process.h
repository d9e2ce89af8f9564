// A program that runs beside the test, as somebody at a shell starts it in the background.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace pgmmr::test {

// Of a child: this process's variables, where `extra` ("NAME=value") does not give another value.
std::vector<std::string> environment_with(const std::vector<std::string>& extra);

class Process {
 public:
  // Without a shell. Its standard output is read here, its errors go to the file `err`.
  //   throws  std::runtime_error where it cannot be started
  Process(std::vector<std::string> command, const std::vector<std::string>& environment,
          const std::string& err);
  ~Process();  // killed where it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  bool ended() const;        // without having been waited for
  std::string line() const;  // the next one of its output, or what there is at its end
  // Waits for its end; the signal is sent before, 0 for none.
  //   returns  the exit code, 128 + signal where it was killed
  int stop(int signal);
  int wait() { return stop(0); }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

}  // namespace pgmmr::test
