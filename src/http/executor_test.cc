#include "http/executor.h"

#include <gtest/gtest.h>

#include <latch>
#include <mutex>

#include "base/error.h"
#include "http/problem.h"
#include "nn/parallel.h"
#include "support/colour_encoder.h"

namespace pgmmr {
namespace {

// Counts batches, and can be held so that a queue forms behind it.
class CountingEncoder : public test::ColourEncoder {
 public:
  Matrix encode_texts(std::span<const std::string> texts) const override {
    {
      const std::lock_guard lock(mutex);
      largest = std::max(largest, texts.size());
    }
    ++batches;
    for (const std::string& text : texts) {
      if (text == "hold") gate.wait();
      if (text == "bad") throw Error(ErrorKind::kInvalidArgument, "bad text");
    }
    return ColourEncoder::encode_texts(texts);
  }
  mutable std::atomic<int> batches = 0;
  mutable std::mutex mutex;
  mutable std::size_t largest = 0;  // guarded by mutex while workers run
  mutable std::latch gate{1};
};

void wait_until(const std::function<bool()>& met) {
  while (!met()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

class HelpedEncoder : public test::ColourEncoder {
 public:
  Matrix encode_texts(std::span<const std::string> texts) const override {
    const Helpers helpers(2);
    threads = helping_threads();
    return ColourEncoder::encode_texts(texts);
  }
  mutable std::atomic<int> threads = 0;
};

TEST(Executor, LeavesTheOtherCoresToOtherRequests) {
  HelpedEncoder encoder;
  std::atomic<bool> crowded = false;
  Executor executor(1, 100, std::chrono::seconds(60), 0, 1, [&] { return crowded.load(); });
  executor.encode_texts(encoder, {"red"});
  EXPECT_GE(encoder.threads, 2);
  crowded = true;
  executor.encode_texts(encoder, {"green"});
  EXPECT_EQ(encoder.threads, 1);
}

TEST(Executor, EncodesWhatWaitsAsOneBatch) {
  CountingEncoder encoder;
  Executor executor(1, 100, std::chrono::seconds(60), 0);
  std::vector<std::jthread> askers;
  askers.emplace_back([&] { executor.encode_texts(encoder, {"hold"}); });
  wait_until([&] { return encoder.batches == 1; });
  std::vector<Embedding> results(10);
  for (int n = 0; n < 10; ++n) {
    askers.emplace_back([&, n] {
      results[static_cast<std::size_t>(n)] =
          executor.encode_texts(encoder, {std::to_string(n)}).front();
    });
  }
  wait_until([&] { return executor.figures().waiting == 10; });
  encoder.gate.count_down();
  askers.clear();
  EXPECT_EQ(encoder.batches, 2);
  EXPECT_EQ(encoder.largest, 10U);
  for (int n = 0; n < 10; ++n) {
    const auto expected = test::vector_of(n);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR((*results[static_cast<std::size_t>(n)])[i], expected[i], 1e-6);
    }
  }
}

TEST(Executor, WhereTheDatabaseIsBehindSearchesWaitForEachOther) {
  CountingEncoder encoder;
  Executor executor(2, 100, std::chrono::seconds(60), 0);
  Executor::Turn turn(executor);
  executor.encode_texts(encoder, {"0"}, &turn);
  std::vector<std::jthread> askers;
  askers.emplace_back([&] {  // encoded, to be there when the turn ends
    Executor::Turn next(executor);
    executor.encode_texts(encoder, {"next"}, &next);
  });
  wait_until([&] { return encoder.batches == 2; });
  for (const char* text : {"1", "2", "3"}) {
    askers.emplace_back([&, text] {
      Executor::Turn own(executor);
      executor.encode_texts(encoder, {text}, &own);
    });
  }
  wait_until([&] { return executor.figures().waiting == 4; });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(encoder.batches, 2);
  // What else is asked for passes them.
  const test::ColourEncoder another;
  EXPECT_EQ(executor.encode_texts(another, {"4"}).size(), 1U);
  executor.run([] {});
  EXPECT_EQ(executor.figures().waiting, 4U);
  turn.end();
  askers.clear();
  EXPECT_EQ(encoder.batches, 3);
  EXPECT_EQ(encoder.largest, 3U);
}

TEST(Executor, WakesASearchWhenTheDatabaseCanTakeIt) {
  CountingEncoder encoder;
  Executor executor(1, 100, std::chrono::seconds(60), 0, 2);
  std::vector<std::jthread> askers;
  askers.emplace_back([&] { executor.encode_texts(encoder, {"hold"}); });
  wait_until([&] { return encoder.batches == 1; });
  std::mutex mutex;
  std::vector<int> woken;
  std::latch ends[4] = {std::latch(1), std::latch(1), std::latch(1), std::latch(1)};
  const auto searching = [&] {
    const std::lock_guard lock(mutex);
    return woken;
  };
  for (int n = 0; n < 4; ++n) {
    askers.emplace_back([&, n] {
      Executor::Turn own(executor);
      // The third needs two vectors and one turn.
      if (n == 2) executor.encode_texts(encoder, {"2", "not 2"}, &own);
      if (n != 2) executor.encode_texts(encoder, {std::to_string(n)}, &own);
      {
        const std::lock_guard lock(mutex);
        woken.push_back(n);
      }
      ends[n].wait();
    });
    const std::size_t waiting[] = {1, 2, 4, 5};
    wait_until([&] { return executor.figures().waiting == waiting[n]; });
  }
  encoder.gate.count_down();
  wait_until([&] { return searching().size() == 2; });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(encoder.batches, 2);
  EXPECT_EQ(executor.figures().waiting, 3U);
  EXPECT_EQ(searching().size(), 2U);
  ends[1].count_down();
  wait_until([&] { return searching().size() == 3; });
  EXPECT_EQ(searching().back(), 2);
  ends[0].count_down();
  wait_until([&] { return searching().size() == 4; });
  ends[2].count_down();
  ends[3].count_down();
  askers.clear();
  EXPECT_EQ(executor.figures().waiting, 0U);
}

TEST(Executor, GivesUpASearchThatTheDatabaseNeverTakes) {
  CountingEncoder encoder;
  Executor executor(1, 100, std::chrono::milliseconds(20), 0);
  Executor::Turn endless(executor);
  executor.encode_texts(encoder, {"1"}, &endless);
  Executor::Turn own(executor);
  EXPECT_THROW(executor.encode_texts(encoder, {"2"}, &own), Problem);
  EXPECT_EQ(executor.figures().waiting, 0U);
  endless.end();
  Executor::Turn next(executor);
  EXPECT_EQ(executor.encode_texts(encoder, {"3"}, &next).size(), 1U);
}

TEST(Executor, ASearchTakesItsTurnWhenItsWordsAreTaken) {
  CountingEncoder encoder;
  Executor executor(3, 100, std::chrono::seconds(60), 0);
  std::vector<std::jthread> askers;
  const auto ask = [&](const char* text) {
    askers.emplace_back([&executor, &encoder, text] {
      Executor::Turn own(executor);
      executor.encode_texts(encoder, {text}, &own);
    });
  };
  for (int held = 1; held <= 2; ++held) {  // one for the database, one in reserve
    ask("hold");
    wait_until([&] { return encoder.batches == held; });
  }
  for (const char* text : {"1", "2", "3"}) ask(text);
  wait_until([&] { return executor.figures().waiting == 3; });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(encoder.batches, 2);  // though a worker is idle: the database could take none of them
  encoder.gate.count_down();
  askers.clear();
  EXPECT_EQ(encoder.batches, 3);
  EXPECT_EQ(encoder.largest, 3U);
}

// More than one batch takes: the last of them must not wait for the turn that the first took.
TEST(Executor, ASearchDoesNotWaitForItself) {
  CountingEncoder encoder;
  Executor executor(1, 100, std::chrono::seconds(60), 0);
  std::vector<std::string> texts;
  for (int n = 0; n < 40; ++n) texts.push_back(std::to_string(n));
  Executor::Turn turn(executor);
  EXPECT_EQ(executor.encode_texts(encoder, texts, &turn).size(), texts.size());
  EXPECT_GE(encoder.batches, 3);
}

TEST(Executor, SearchesThatWereNotEncodedKeepNoneWaiting) {
  CountingEncoder encoder;
  Executor executor(1, 100, std::chrono::seconds(60), 10);
  executor.encode_texts(encoder, {"known"});
  Executor::Turn of_known(executor), of_keywords(executor);
  executor.encode_texts(encoder, {"known"}, &of_known);
  {
    Executor::Turn of_failed(executor);
    EXPECT_THROW(executor.encode_texts(encoder, {"bad"}, &of_failed), Error);
  }
  Executor::Turn turn(executor);
  EXPECT_EQ(executor.encode_texts(encoder, {"1"}, &turn).size(), 1U);
}

TEST(Executor, OneBadTextSpoilsNoOther) {
  CountingEncoder encoder;
  Executor executor(1, 100, std::chrono::seconds(60), 0);
  std::vector<std::jthread> askers;
  askers.emplace_back([&] { executor.encode_texts(encoder, {"hold"}); });
  wait_until([&] { return encoder.batches == 1; });
  std::atomic<int> good = 0, bad = 0;
  for (const char* text : {"1", "bad", "2"}) {
    askers.emplace_back([&, text] {
      try {
        executor.encode_texts(encoder, {text});
        ++good;
      } catch (const Error&) {
        ++bad;
      }
    });
  }
  wait_until([&] { return executor.figures().waiting == 3; });
  encoder.gate.count_down();
  askers.clear();
  EXPECT_EQ(good, 2);
  EXPECT_EQ(bad, 1);
}

TEST(Executor, RefusesWhatIsTooMuch) {
  CountingEncoder encoder;
  Executor executor(1, 2, std::chrono::seconds(60), 0);
  std::vector<std::jthread> askers;
  askers.emplace_back([&] { executor.encode_texts(encoder, {"hold"}); });
  wait_until([&] { return encoder.batches == 1; });
  for (int n = 0; n < 2; ++n) {
    askers.emplace_back([&] { executor.encode_texts(encoder, {"1"}); });
  }
  wait_until([&] { return executor.figures().waiting == 2; });
  try {
    executor.encode_texts(encoder, {"3"});
    ADD_FAILURE() << "expected a refusal";
  } catch (const Problem& problem) {
    EXPECT_EQ(problem.status, 503);
    ASSERT_EQ(problem.headers.size(), 1U);
    EXPECT_EQ(problem.headers.front().first, "Retry-After");
  }
  encoder.gate.count_down();
}

TEST(Executor, GivesUpWhatWaitedTooLong) {
  Executor executor(1, 10, std::chrono::milliseconds(20), 0);
  std::latch held(1), gate(1);
  std::jthread holder([&] {
    executor.run([&] {
      held.count_down();
      gate.wait();
    });
  });
  held.wait();  // else the other may be first
  std::atomic<int> status = 0, ran = 0;
  std::jthread asker([&] {
    try {
      executor.run([&] { ++ran; });
    } catch (const Problem& problem) {
      status = problem.status;
    }
  });
  wait_until([&] { return executor.figures().waiting == 1; });
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  gate.count_down();
  asker.join();
  EXPECT_EQ(status, 503);
  EXPECT_EQ(ran, 0);
}

TEST(Executor, RemembersTheNewest) {
  CountingEncoder encoder;
  encoder.gate.count_down();
  Executor executor(1, 10, std::chrono::seconds(60), 2);
  for (const char* text : {"1", "2", "1", "2"}) executor.encode_texts(encoder, {text});
  EXPECT_EQ(encoder.batches, 2);
  executor.encode_texts(encoder, {"3"});  // 1 goes
  executor.encode_texts(encoder, {"2"});
  EXPECT_EQ(encoder.batches, 3);
  executor.encode_texts(encoder, {"1"});
  EXPECT_EQ(encoder.batches, 4);
  int made = 0;
  for (int i = 0; i < 2; ++i) {
    executor.encode_picture(encoder, "digest", [&] {
      ++made;
      return test::picture_of(1);
    });
  }
  EXPECT_EQ(made, 1);
}

}  // namespace
}  // namespace pgmmr
