#include "nn/parallel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace pgmmr {
namespace {

// Each number of 0 .. count - 1 is worked on once, whatever the grain.
void expect_each_once(int count, int grain) {
  std::vector<std::atomic<int>> times(static_cast<std::size_t>(count));
  for_each_range(count, grain, [&](int begin, int end) {
    EXPECT_GE(end - begin, std::min(count, grain));
    for (int i = begin; i < end; ++i) ++times[static_cast<std::size_t>(i)];
  });
  for (const auto& one : times) ASSERT_EQ(one, 1) << count << " by " << grain;
}

TEST(Parallel, WorksOnEachNumberOnce) {
  for (const int threads : {1, 2, 5}) {
    const Helpers helpers(threads);
    for (int count = 0; count < 70; ++count) {
      for (const int grain : {1, 3, 100}) expect_each_once(count, grain);
    }
  }
}

// One thread does not return before all that it has not taken is done.
TEST(Parallel, TakesWhatASlowThreadHasNotBegun) {
  for (const int threads : {2, 5}) {
    const Helpers helpers(threads);
    std::atomic<int> done = 0;
    std::atomic<bool> all = false;
    for_each_range(64, 1, [&](int begin, int end) {
      const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
      while (begin == 0 && done + end < 64 && std::chrono::steady_clock::now() < until) {
        std::this_thread::yield();
      }
      if (begin == 0) all = done + end == 64;
      done += end - begin;
    });
    EXPECT_TRUE(all) << threads;
  }
}

TEST(Parallel, ServesManyRegionsOneAfterTheOther) {
  const Helpers helpers(4);
  std::int64_t sum = 0;
  for (int region = 0; region < 20'000; ++region) {
    std::atomic<int> all = 0;
    for_each_range(8, 1, [&](int begin, int end) { all += end - begin; });
    sum += all;
  }
  EXPECT_EQ(sum, 160'000);
}

TEST(Parallel, HelpsOneCallAtATimeAndTheOthersWorkAlone) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([] {
      for (int repeat = 0; repeat < 50; ++repeat) {
        const Helpers helpers(3);
        expect_each_once(40, 1);
      }
    });
  }
}

TEST(Parallel, RunsARangeWithinARangeAlone) {
  const Helpers helpers(3);
  std::atomic<int> inner = 0;
  for_each_range(12, 1, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      for_each_range(5, 1, [&](int first, int last) { inner += last - first; });
    }
  });
  EXPECT_EQ(inner, 60);
}

TEST(Parallel, HandsBackWhatWorkThrows) {
  for (const int threads : {1, 4}) {
    const Helpers helpers(threads);
    EXPECT_THROW(for_each_range(64, 1,
                                [](int begin, int) {
                                  if (begin >= 0) throw std::runtime_error("no");
                                }),
                 std::runtime_error);
    expect_each_once(64, 1);
  }
}

TEST(Parallel, GivesNobodyToOneWhoWantsToBeAlone) {
  {
    const Alone alone;
    const Alone no_less_alone(false);
    const Helpers helpers(2);
    EXPECT_EQ(helping_threads(), 1);
    expect_each_once(64, 1);
  }
  const Alone not_alone(false);
  const Helpers helpers(2);
  EXPECT_GE(helping_threads(), 2);
}

TEST(Parallel, UsesNoMoreThreadsThanACallWants) {
  { const Helpers many(6); }
  const Helpers helpers(2);
  EXPECT_EQ(helping_threads(), 2);
  std::mutex mutex;
  std::set<std::thread::id> used;
  for (int region = 0; region < 20; ++region) {
    for_each_range(16, 1, [&](int, int) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // time for others to come
      const std::lock_guard lock(mutex);
      used.insert(std::this_thread::get_id());
    });
  }
  EXPECT_LE(used.size(), 2U);
}

TEST(Parallel, ReleasesThePoolWithItsOwner) {
  {
    const Helpers helpers(2);
    EXPECT_GE(helping_threads(), 2);
  }
  EXPECT_EQ(helping_threads(), 1);
}

}  // namespace
}  // namespace pgmmr
