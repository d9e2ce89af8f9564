#include "nn/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
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
    while (static_cast<int>(helpers_.size()) < threads - 1) {
      helpers_.emplace_back([this](std::stop_token stop) { help(stop); });
    }
    return true;
  }
  void give_back() { owner_.unlock(); }
  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  void run(int count, int grain, const Work& work) {
    const int parts = std::clamp(count / std::max(grain, 1), 1, kPartsEach * threads());
    if (parts == 1) return work(0, count);
    count_.store(count, std::memory_order_relaxed);
    work_.store(&work, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
    const std::uint64_t region = ++region_ & 0xFFFFFFFF;
    {
      // Under the mutex, so that a helper which is about to sleep sees it.
      const std::lock_guard lock(mutex_);
      ticket_.store(region << 32 | static_cast<std::uint64_t>(parts) << 16,
                    std::memory_order_release);
    }
    if (sleeping_.load(std::memory_order_relaxed) > 0) wake_.notify_all();
    take_parts(region);
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

  // A ticket says which region runs, how many parts it has and which is the next. Whoever takes a
  // part keeps the region from ending until that part is done, and so may read the other fields.
  void take_parts(std::uint64_t region) {
    for (;;) {
      std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
      int part = 0, parts = 0;
      do {
        part = static_cast<int>(ticket & 0xFFFF);
        parts = static_cast<int>(ticket >> 16 & 0xFFFF);
        if (ticket >> 32 != region || part >= parts) return;
      } while (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel));
      const int count = count_.load(std::memory_order_relaxed);
      try {
        (*work_.load(std::memory_order_relaxed))(start_of_part(count, part, parts),
                                                 start_of_part(count, part + 1, parts));
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
        failed_.store(true, std::memory_order_relaxed);
      }
      done_.fetch_add(1, std::memory_order_acq_rel);
    }
  }

  void help(std::stop_token stop) {
    std::uint64_t seen = 0;
    auto waiting_since = Clock::now();
    for (int spins = 0; !stop.stop_requested(); ++spins) {
      const std::uint64_t region = ticket_.load(std::memory_order_acquire) >> 32;
      if (region != seen) {
        seen = region;
        take_parts(region);
        waiting_since = Clock::now();
        continue;
      }
      relax();
      if (spins % 64 != 0 || Clock::now() - waiting_since < kPatience) continue;
      std::unique_lock lock(mutex_);
      sleeping_.fetch_add(1, std::memory_order_relaxed);
      wake_.wait(lock, [&] {
        return stop.stop_requested() || ticket_.load(std::memory_order_relaxed) >> 32 != seen;
      });
      sleeping_.fetch_sub(1, std::memory_order_relaxed);
      waiting_since = Clock::now();
    }
  }

  static constexpr int kPartsEach = 2;  // so that the one who is early takes more

  std::mutex owner_;          // of the pool: the call that is being helped
  std::uint64_t region_ = 0;  // guarded by owner_
  std::atomic<std::uint64_t> ticket_ = 0;
  std::atomic<int> count_ = 0;               // of the region that runs
  std::atomic<const Work*> work_ = nullptr;  // of the region that runs
  std::atomic<int> done_ = 0;                // parts of it
  std::atomic<bool> failed_ = false;
  std::atomic<int> sleeping_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::exception_ptr failure_;         // guarded by mutex_
  std::vector<std::jthread> helpers_;  // guarded by owner_
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
