#include "http/executor.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "http/problem.h"
#include "nn/parallel.h"

namespace pgmmr {
namespace {

// The gain of a larger batch is small by then, and the first of it waits for the last.
constexpr std::size_t kBatch = 16;
// Searches whose vectors are ready before the database can take them: without one in reserve it
// would wait while the next batch is encoded. More would make the batches smaller.
constexpr int kReserve = 1;

Problem busy() {
  return Problem(503, "too many requests are waiting; try again in a moment", {},
                 {{"Retry-After", "1"}});
}

Embedding shared(std::vector<float> values) {
  return std::make_shared<const std::vector<float>>(std::move(values));
}

std::vector<float> row_of(const Matrix& matrix, std::size_t row) {
  const auto values = matrix.row(static_cast<int>(row));
  return {values.begin(), values.end()};
}

std::string memory_key(const Encoder& encoder, char kind, const std::string& what) {
  return encoder.info().fingerprint + kind + what;
}

}  // namespace

Executor::Executor(int threads, std::size_t waiting, std::chrono::milliseconds patience,
                   std::size_t remembered, int searches, std::function<bool()> crowded)
    : most_waiting_(waiting),
      patience_(patience),
      most_remembered_(remembered),
      searches_(searches),
      crowded_(std::move(crowded)) {
  for (int i = 0; i < std::max(1, threads); ++i) workers_.emplace_back([this] { work(); });
}

Executor::~Executor() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  hand_out({});
  filled_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

Executor::Pending Executor::submit(std::unique_ptr<Job> job) {
  Pending pending{job.get(), job->embedding.get_future()};
  bool starts = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || jobs_.size() >= most_waiting_) {
      ++figures_.refused;
      throw busy();
    }
    starts = can_start(*job);
    jobs_.push_back(std::move(job));
  }
  if (starts) filled_.notify_one();
  return pending;
}

std::vector<float> Executor::await(Pending& pending) {
  if (pending.embedding.wait_for(patience_) != std::future_status::ready) {
    const std::lock_guard lock(mutex_);
    const auto is_it = [&](const auto& job) { return job.get() == pending.job; };
    // Not ready: so the job still is, and no other one can have its address.
    const bool waits =
        pending.embedding.wait_for(std::chrono::seconds(0)) != std::future_status::ready &&
        std::erase_if(jobs_, is_it) + std::erase_if(encoded_, is_it) > 0;
    if (waits) {
      ++figures_.refused;
      throw busy();
    }
  }
  return pending.embedding.get();
}

std::vector<Embedding> Executor::encode_texts(const Encoder& encoder,
                                              const std::vector<std::string>& texts, Turn* turn) {
  std::vector<Embedding> result(texts.size());
  std::vector<Pending> pending(texts.size());
  std::exception_ptr failure;
  for (std::size_t i = 0; i < texts.size() && !failure; ++i) {
    result[i] = recall(memory_key(encoder, 't', texts[i]));
    if (result[i]) continue;
    auto job = std::make_unique<Job>();
    job->encoder = &encoder;
    job->text = &texts[i];
    job->turn = turn;
    try {
      pending[i] = submit(std::move(job));
    } catch (...) {
      failure = std::current_exception();
    }
  }
  // All are waited for, failed or not: the workers read the caller's texts.
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (pending[i].job == nullptr) continue;
    try {
      result[i] = shared(await(pending[i]));
      remember(memory_key(encoder, 't', texts[i]), result[i]);
    } catch (...) {
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
  return result;
}

Embedding Executor::encode_picture(const Encoder& encoder, const std::string& key,
                                   const std::function<Picture()>& make) {
  const std::string place = memory_key(encoder, 'p', key);
  if (Embedding known = recall(place)) return known;
  Embedding result;
  run([&] {
    const Picture picture = make();
    Matrix rows = encoder.encode_pictures({&picture, 1});
    normalise_rows(rows);
    result = shared(row_of(rows, 0));
  });
  remember(place, result);
  const std::lock_guard lock(mutex_);
  ++figures_.pictures;
  return result;
}

void Executor::run(const std::function<void()>& work) {
  auto job = std::make_unique<Job>();
  job->work = work;
  Pending pending = submit(std::move(job));
  await(pending);
}

bool Executor::can_start(const Job& job) const {
  return job.turn == nullptr || job.turn->taken_ || turns_ < searches_ + kReserve || closed_;
}

Executor::Jobs Executor::take() {
  Jobs taken;
  const auto first = std::ranges::find_if(jobs_, [&](const auto& job) { return can_start(*job); });
  if (first == jobs_.end()) return taken;
  taken.push_back(std::move(*first));
  jobs_.erase(first);
  const Encoder* const encoder = taken.front()->encoder;
  for (auto at = jobs_.begin(); encoder != nullptr && at != jobs_.end();) {
    if ((*at)->encoder != encoder || taken.size() >= kBatch) {
      ++at;
      continue;
    }
    taken.push_back(std::move(*at));
    at = jobs_.erase(at);
  }
  for (const auto& job : taken) {
    if (job->turn != nullptr && !std::exchange(job->turn->taken_, true)) ++turns_;
  }
  return taken;
}

void Executor::work() {
  for (;;) {
    Jobs taken;
    {
      std::unique_lock lock(mutex_);
      filled_.wait(lock, [&] {
        taken = take();
        return closed_ || !taken.empty();
      });
      if (taken.empty()) return;
      // Who was told of these may have been told of others, too.
      if (std::ranges::any_of(jobs_, [&](const auto& job) { return can_start(*job); })) {
        filled_.notify_one();
      }
    }
    const Alone alone(crowded_ && crowded_());
    if (taken.front()->encoder != nullptr) {
      encode(taken);
      continue;
    }
    try {
      taken.front()->work();
      taken.front()->embedding.set_value({});
    } catch (...) {
      taken.front()->embedding.set_exception(std::current_exception());
    }
  }
}

void Executor::encode(Jobs& jobs) {
  {
    const std::lock_guard lock(mutex_);
    figures_.texts += jobs.size();
    ++figures_.batches;
  }
  std::vector<std::string> texts;
  texts.reserve(jobs.size());
  for (const auto& job : jobs) texts.push_back(*job->text);
  try {
    Matrix rows = jobs.front()->encoder->encode_texts(texts);
    normalise_rows(rows);
    for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i]->vector = row_of(rows, i);
  } catch (...) {
    if (jobs.size() == 1) {
      jobs.front()->embedding.set_exception(std::current_exception());
      return;
    }
    // One text's fault is not the others'.
    for (auto& job : jobs) {
      Jobs alone;
      alone.push_back(std::move(job));
      encode(alone);
    }
    return;
  }
  hand_out(std::move(jobs));
}

void Executor::hand_out(Jobs encoded) {
  {
    const std::lock_guard lock(mutex_);
    std::ranges::move(encoded, std::back_inserter(encoded_));
    encoded = take_encoded();
  }
  for (const auto& job : encoded) job->embedding.set_value(std::move(job->vector));
}

Executor::Jobs Executor::take_encoded() {
  Jobs taken;
  for (auto at = encoded_.begin(); at != encoded_.end();) {
    Turn* const turn = (*at)->turn;
    if (turn != nullptr && !turn->searching_) {
      if (searching_ >= searches_ && !closed_) {
        ++at;
        continue;
      }
      turn->searching_ = true;
      ++searching_;
    }
    taken.push_back(std::move(*at));
    at = encoded_.erase(at);
  }
  return taken;
}

void Executor::end(Turn& turn) {
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(turn.taken_, false)) return;
    if (std::exchange(turn.searching_, false)) --searching_;
    if (--turns_ == searches_ + kReserve - 1 && !jobs_.empty()) filled_.notify_one();
  }
  hand_out({});
}

Embedding Executor::recall(const std::string& key) {
  const std::lock_guard lock(memory_mutex_);
  const auto found = places_.find(key);
  if (found == places_.end()) return nullptr;
  memory_.splice(memory_.begin(), memory_, found->second);
  return found->second->second;
}

void Executor::remember(const std::string& key, Embedding embedding) {
  constexpr std::size_t kLongestKey = 4096;  // long texts are rare, and would make the memory large
  if (key.size() > kLongestKey) return;
  const std::lock_guard lock(memory_mutex_);
  if (places_.contains(key)) return;
  memory_.emplace_front(key, std::move(embedding));
  places_[key] = memory_.begin();
  if (memory_.size() <= most_remembered_) return;
  places_.erase(memory_.back().first);
  memory_.pop_back();
}

Executor::Figures Executor::figures() const {
  const std::lock_guard lock(mutex_);
  Figures figures = figures_;
  figures.waiting = jobs_.size() + encoded_.size();
  return figures;
}

}  // namespace pgmmr
