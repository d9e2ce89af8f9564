// One line on a terminal that says how far a long task is; nothing anywhere else.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace pgmmr {

// True where stderr is a terminal that can redraw a line.
bool draws_progress();

// Columns of the terminal on fd; fallback where it is none.
int terminal_width(int fd, int fallback);

// "[#####----]  41 %  1,234/3,000 pictures  87.3/s  20 s left  2 rejects", cut to width.
//   expected  0 where it is not known yet: then without bar, share and time left
std::string progress_line(std::int64_t done, std::int64_t expected, std::int64_t rejects,
                          double seconds, int width);

// "1,234,567"
std::string grouped(std::int64_t number);

// Redraws at most ten times a second. For one thread at a time.
class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar();  // clears the line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(std::int64_t done, std::int64_t expected, std::int64_t rejects);
  void say(const std::string& text);  // instead of numbers
  void clear();

 private:
  void draw(const std::string& line);

  const bool draws_;
  const std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_;
  bool drawn_ = false;
};

}  // namespace pgmmr
