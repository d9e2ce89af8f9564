// One call's work on several cores, for whoever has a single query and an idle machine.
//
// A small pool of ours instead of OpenMP's team: a region's work is cut into parts, each thread has
// a share of them and takes from another's when it is done, so a helper that the machine needs for
// something else costs the parts it has in hand and no more, and helpers sleep between calls.
#pragma once

#include <cstdint>
#include <functional>

namespace pgmmr {

// While it lives, for_each_range on this thread may use helpers, at most threads - 1 of them. The
// pool helps one call at a time: where it is taken, or threads is 1, this thread works alone.
class Helpers {
 public:
  explicit Helpers(int threads);
  ~Helpers();
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

 private:
  bool taken_ = false;
};

// While it lives, Helpers on this thread get nobody: for a caller who knows that the other cores
// have something better to do.
class Alone {
 public:
  explicit Alone(bool yes = true);
  ~Alone();
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

 private:
  const bool before_;
};

// Calls work(begin, end) for ranges that make up 0 .. count - 1, each of `grain` or more; returns
// when all are done. Alone, it is one call on the whole range.
//   work    called on several threads at once; a range within a range runs alone
//   throws  what work threw first, once all have returned
void for_each_range(int count, int grain, const std::function<void(int begin, int end)>& work);

// How many threads for_each_range will use here.
int helping_threads();

// A grain of at least that, and two parts a thread at most: for work that costs something in every
// part, as small as it may be.
int coarse_grain(int count, int least);

// Where part `part` of so many begins, if they are as even as can be: a product of few rows, for
// instance, would wait for its own sums.
constexpr int start_of_part(int count, int part, int parts) {
  return static_cast<int>(std::int64_t{count} * part / parts);
}

// As even parts one after the other, where a division for each would take longer than it should.
class EvenParts {
 public:
  EvenParts(int count, int parts) : small_(count / parts), larger_from_(parts - count % parts) {}
  int size_of(int part) const { return small_ + (part >= larger_from_ ? 1 : 0); }

 private:
  int small_, larger_from_;
};

}  // namespace pgmmr
