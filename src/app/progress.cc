#include "app/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace pgmmr {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr int kBarCells = 24;

std::string duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::lround(std::min(seconds, 1e9)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

}  // namespace

bool draws_progress() {
  const char* const terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && terminal != nullptr && std::strcmp(terminal, "dumb") != 0;
}

int terminal_width(int fd, int fallback) {
  winsize size{};
  if (isatty(fd) != 1 || ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return fallback;
  return size.ws_col;
}

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  const std::int64_t first = number < 0 ? 1 : 0;
  for (auto at = static_cast<std::int64_t>(text.size()) - 3; at > first; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

std::string progress_line(std::int64_t done, std::int64_t expected, std::int64_t rejects,
                          double seconds, int width) {
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string line;
  if (expected > 0) {
    const double share =
        std::clamp(static_cast<double>(done) / static_cast<double>(expected), 0.0, 1.0);
    const auto full = static_cast<std::size_t>(share * kBarCells);
    line = fmt::format("[{}{}] {:3.0f} %  {}/{} pictures", std::string(full, '#'),
                       std::string(kBarCells - full, '-'), std::floor(share * 100), grouped(done),
                       grouped(expected));
  } else {
    line = fmt::format("{} pictures", grouped(done));
  }
  if (done > 0) line += fmt::format("  {:.1f}/s", rate);
  if (expected > done && rate > 0) {
    line += fmt::format("  {} left", duration(static_cast<double>(expected - done) / rate));
  }
  if (rejects > 0) line += fmt::format("  {} reject{}", grouped(rejects), rejects == 1 ? "" : "s");
  if (line.size() > static_cast<std::size_t>(std::max(width, 0))) {
    line.resize(static_cast<std::size_t>(std::max(width, 0)));
  }
  return line;
}

ProgressBar::ProgressBar()
    : draws_(draws_progress()),
      start_(std::chrono::steady_clock::now()),
      last_(start_ - kRedrawInterval) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::show(std::int64_t done, std::int64_t expected, std::int64_t rejects) {
  const auto now = std::chrono::steady_clock::now();
  if (!draws_ || now - last_ < kRedrawInterval) return;
  last_ = now;
  draw(progress_line(done, expected, rejects, std::chrono::duration<double>(now - start_).count(),
                     terminal_width(STDERR_FILENO, 80) - 1));
}

void ProgressBar::say(const std::string& text) {
  if (draws_) draw(text);
}

void ProgressBar::clear() {
  if (drawn_) draw("");
  drawn_ = false;
}

void ProgressBar::draw(const std::string& line) {
  fmt::print(stderr, "\r\033[K{}", line);
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace pgmmr
