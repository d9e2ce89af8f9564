// The one exception of the program, and what each kind of it means to a shell.
#pragma once

#include <stdexcept>
#include <string>

namespace pgmmr {

enum class ErrorKind {
  kInvalidArgument,  // the caller asked for something that makes no sense
  kNotFound,         // a file, model, collection or row that isn't there
  kCorrupt,          // bytes that break their format's rules
  kUnsupported,      // understood, but not something this program does
  kConflict,         // contradicts what is already stored (another model, another source)
  kUnavailable,      // a server, network or device that did not answer
  kCancelled,        // stopped by Ctrl-C or a stop token
  kInternal,         // our own mistake
};

// What was being done, to which thing, what was found, what was expected: one line.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// Exit codes: 0 done, 1 failed, 2 usage, 3 done with rejects.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitRejects = 3;

}  // namespace pgmmr
