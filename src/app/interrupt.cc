#include <csignal>
#include <cstdlib>
#include <thread>

#include "app/command.h"

namespace pgmmr {
namespace {

std::stop_source& source() {
  static std::stop_source only;
  return only;
}

}  // namespace

// The signals are blocked everywhere and taken by one thread that waits for them, where any code
// may run.
std::stop_token interrupted() {
  static const bool started = [] {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    source();
    std::thread([signals] {
      int signal = 0;
      sigwait(&signals, &signal);
      source().request_stop();
      sigwait(&signals, &signal);
      std::_Exit(128 + signal);
    }).detach();
    return true;
  }();
  (void)started;
  return source().get_token();
}

}  // namespace pgmmr
