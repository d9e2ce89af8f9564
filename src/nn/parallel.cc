#include "nn/parallel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pgmmr {
namespace {

using Clock = std::chrono::steady_clock;
using Work = std::function<void(int, int)>;

// A call has a hundred regions, one every 20 to 500 microseconds. A helper that slept between them
// would need 50 microseconds to wake for each; one that waits longer than this sleeps.
constexpr auto kPatience = std::chrono::microseconds(300);

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

class Pool {
 public:
  static Pool& instance() {
    static Pool pool;
    return pool;
  }

  // False where another call has the pool.
  bool take(int threads) {
    if (!owner_.try_lock()) return false;
    try {
      while (static_cast<int>(helpers_.size()) < std::min(threads, kMostThreads) - 1) {
        const int self = static_cast<int>(helpers_.size()) + 1;
        helpers_.emplace_back([this, self](std::stop_token stop) { help(self, stop); });
      }
    } catch (const std::system_error&) {
      // The machine gives no more threads: those there are will do.
    }
    threads_ = std::min(threads, static_cast<int>(helpers_.size()) + 1);
    return true;
  }
  void give_back() { owner_.unlock(); }
  int threads() const { return threads_; }

  void run(int count, int grain, const Work& work) {
    const int parts = std::clamp(count / std::max(grain, 1), 1, kMostParts);
    if (parts == 1) return work(0, count);
    const int sharing = threads();
    count_.store(count, std::memory_order_relaxed);
    parts_.store(parts, std::memory_order_relaxed);
    sharing_.store(sharing, std::memory_order_relaxed);
    work_.store(&work, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
    const std::uint64_t region = (region_.load(std::memory_order_relaxed) + 1) & 0xFFFFFFFF;
    for (int i = 0; i < sharing; ++i) {
      shares_[static_cast<std::size_t>(i)].left.store(
          Left{region, start_of_part(parts, i, sharing), start_of_part(parts, i + 1, sharing)}
              .word(),
          std::memory_order_release);
    }
    {
      // Under the mutex, so that a helper which is about to sleep sees it.
      const std::lock_guard lock(mutex_);
      region_.store(region, std::memory_order_release);
    }
    if (sleeping_.load(std::memory_order_relaxed) > 0) wake_.notify_all();
    take_parts(0, region);
    // A helper that lost its core while it had a part would never get it back from a spinning
    // owner.
    for (int spins = 0; done_.load(std::memory_order_acquire) < parts; ++spins) {
      if (spins < 4000) {
        relax();
      } else {
        std::this_thread::yield();
      }
    }
    if (failed_.load(std::memory_order_relaxed)) {
      failed_.store(false, std::memory_order_relaxed);
      std::rethrow_exception(std::exchange(failure_, nullptr));
    }
  }

 private:
  Pool() = default;
  ~Pool() {
    for (std::jthread& helper : helpers_) helper.request_stop();
    { const std::lock_guard lock(mutex_); }
    wake_.notify_all();
  }

  // Which of a region's parts somebody's share still has, in one word, so that whoever takes some
  // sees at once whether they are of the region that he knows.
  struct Left {
    std::uint64_t region;
    int first, end;

    static Left of(std::uint64_t word) {
      return {word >> 32, static_cast<int>(word >> 16 & 0xFFFF), static_cast<int>(word & 0xFFFF)};
    }
    std::uint64_t word() const {
      return region << 32 | static_cast<std::uint64_t>(first) << 16 |
             static_cast<std::uint64_t>(end);
    }
  };
  struct alignas(64) Share {  // a cache line of its own
    std::atomic<std::uint64_t> left = 0;
  };

  // Parts of the region until there are none: of one's own share from its begin, so that what a
  // kernel fetches ahead is what comes next, then of others' from their ends.
  void take_parts(int self, std::uint64_t region) {
    const int sharing = sharing_.load(std::memory_order_relaxed);
    if (self >= sharing) return;  // this call wants fewer
    for (int i = 0; i < sharing;) {
      const int whose = (self + i) % sharing;
      if (!take_some(shares_[static_cast<std::size_t>(whose)].left, i == 0, region)) ++i;
    }
  }

  // Half of what is left there: fewer and fewer, so that all end at about the same time. Whoever
  // takes parts keeps the region from ending until they are done, and so may read the other fields.
  bool take_some(std::atomic<std::uint64_t>& share, bool own, std::uint64_t region) {
    std::uint64_t word = share.load(std::memory_order_acquire);
    int first = 0, end = 0;
    Left after{};
    do {
      after = Left::of(word);
      if (after.region != region || after.first >= after.end) return false;
      const int some = std::max((after.end - after.first) / 2, 1);
      if (own) {
        first = after.first;
        end = after.first += some;
      } else {
        end = after.end;
        first = after.end -= some;
      }
    } while (!share.compare_exchange_weak(word, after.word(), std::memory_order_acq_rel));
    const int count = count_.load(std::memory_order_relaxed);
    const int parts = parts_.load(std::memory_order_relaxed);
    try {
      (*work_.load(std::memory_order_relaxed))(start_of_part(count, first, parts),
                                               start_of_part(count, end, parts));
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      failed_.store(true, std::memory_order_relaxed);
    }
    done_.fetch_add(end - first, std::memory_order_acq_rel);
    return true;
  }

  void help(int self, std::stop_token stop) {
    std::uint64_t seen = 0;
    auto waiting_since = Clock::now();
    for (unsigned spins = 0; !stop.stop_requested(); ++spins) {
      const std::uint64_t region = region_.load(std::memory_order_acquire);
      if (region != seen) {
        seen = region;
        take_parts(self, region);
        waiting_since = Clock::now();
        continue;
      }
      relax();
      if (spins % 64 != 0 || Clock::now() - waiting_since < kPatience) continue;
      std::unique_lock lock(mutex_);
      sleeping_.fetch_add(1, std::memory_order_relaxed);
      wake_.wait(lock, [&] {
        return stop.stop_requested() || region_.load(std::memory_order_relaxed) != seen;
      });
      sleeping_.fetch_sub(1, std::memory_order_relaxed);
      waiting_since = Clock::now();
    }
  }

  static constexpr int kMostThreads = 256, kMostParts = 0xFFFF;

  std::mutex owner_;                         // of the pool: the call that is being helped
  std::atomic<std::uint64_t> region_ = 0;    // 32 bits; stored with owner_
  std::array<Share, kMostThreads> shares_;   // of the region that runs
  std::atomic<int> count_ = 0, parts_ = 0;   // of the region that runs
  std::atomic<int> sharing_ = 0;             // threads that it was cut for
  std::atomic<const Work*> work_ = nullptr;  // of the region that runs
  std::atomic<int> done_ = 0;                // parts of it
  std::atomic<bool> failed_ = false;
  std::atomic<int> sleeping_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::exception_ptr failure_;         // guarded by mutex_
  std::vector<std::jthread> helpers_;  // guarded by owner_
  int threads_ = 1;                    // of the call that is being helped; guarded by owner_
};

thread_local bool helped = false;
thread_local bool alone = false;

}  // namespace

Helpers::Helpers(int threads) {
  if (threads < 2 || helped || alone) return;
  taken_ = helped = Pool::instance().take(threads);
}

Helpers::~Helpers() {
  if (!taken_) return;
  helped = false;
  Pool::instance().give_back();
}

Alone::Alone(bool yes) : before_(alone) { alone = alone || yes; }

Alone::~Alone() { alone = before_; }

int helping_threads() { return helped ? Pool::instance().threads() : 1; }

int coarse_grain(int count, int least) {
  const int parts = 2 * helping_threads();
  return std::max((count + parts - 1) / parts, least);
}

void for_each_range(int count, int grain, const Work& work) {
  if (count <= 0) return;
  if (!helped) return work(0, count);
  struct Nested {  // a range within a range runs alone
    Nested() { helped = false; }
    ~Nested() { helped = true; }
  } nested;
  Pool::instance().run(count, grain, work);
}

}  // namespace pgmmr
