#include "ingest/ingest.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.h"
#include "ingest/intake.h"
#include "ingest/layout.h"
#include "store/ledger.h"
#include "store/schema.h"

namespace pgmmr {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Chunks written to the ledger in one statement. Sooner where the source is slow to list, so that
// workers have something to do.
constexpr std::size_t kPlanBatch = 256;
constexpr auto kPlanInterval = milliseconds(200);

// How often a worker without a chunk asks again, while others still hold some.
constexpr auto kAskAgain = milliseconds(100);

// What is asked of an ingest, and what becomes of it. Members above the mutex don't change while
// the workers run.
class Run {
 public:
  Run(const std::string& url, const Dataset& dataset, const Encoder& encoder,
      const IngestOptions& options, std::stop_token stop,
      const std::function<void(const IngestProgress&)>& on_progress)
      : url_(url),
        dataset_(dataset),
        encoder_(encoder),
        options_(options),
        stop_(std::move(stop)),
        on_progress_(on_progress) {}

  IngestReport finish();

 private:
  void plan(Connection& connection, std::vector<std::jthread>& workers);
  void prepare(Connection& connection, const Chunk* first);
  void start(std::vector<std::jthread>& workers);
  void work();
  void process(Connection& connection, ChunkClaim claim);
  void read_into(Intake& intake, const LedgerChunk& chunk, double& seconds);
  bool more_to_come(Connection& connection);
  void update_expectation(Connection& connection);
  void fail(std::exception_ptr failure);
  void report_progress(const std::function<void(IngestProgress&)>& change);
  [[noreturn]] void explain(const Error& error);

  const std::string& url_;
  const Dataset& dataset_;
  const Encoder& encoder_;
  const IngestOptions& options_;
  const std::stop_token stop_;
  const std::function<void(const IngestProgress&)>& on_progress_;

  std::optional<Layout> layout_;
  bool resumes_ = false;  // an earlier run left chunks open

  std::stop_source ending_;  // stopped from outside, or by the first failure

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool planned_ = false;                 // guarded by mutex_
  std::exception_ptr failure_;           // guarded by mutex_
  IngestReport report_;                  // guarded by mutex_
  std::int64_t planned_rows_ = 0;        // guarded by mutex_
  std::int64_t handled_chunk_rows_ = 0;  // guarded by mutex_; as the plan counted them

  std::mutex progress_mutex_;  // held while the caller is told: one call at a time
  IngestProgress progress_;    // guarded by progress_mutex_
};

IngestReport Run::finish() {
  const auto start_time = Clock::now();
  const double prepared_before = encoder_.prepare_seconds();
  std::stop_callback stopper(stop_, [this] { ending_.request_stop(); });
  Connection connection(url_);
  migrate(connection);
  {
    std::vector<std::jthread> workers;
    try {
      plan(connection, workers);
    } catch (...) {
      fail(std::current_exception());
    }
    for (std::jthread& worker : workers) worker.join();
  }
  try {
    if (failure_) std::rethrow_exception(failure_);
    if (stop_.stop_requested()) throw Error(ErrorKind::kCancelled, "stopped");
    report_progress([](IngestProgress& progress) { progress.indexing = true; });
    finish_indexes(connection, layout_->collection.name);
    report_.rejects_of_source =
        count_chunks(connection, layout_->collection.name, dataset_.source()).rejects;
  } catch (const Error& error) {
    explain(error);
  }
  report_.unchanged = std::max<std::int64_t>(0, planned_rows_ - handled_chunk_rows_);
  report_.resize_seconds = encoder_.prepare_seconds() - prepared_before;
  report_.encode_seconds = std::max(0.0, report_.encode_seconds - report_.resize_seconds);
  report_.seconds = std::chrono::duration<double>(Clock::now() - start_time).count();
  return report_;
}

// Cuts the source into chunks and writes them down; the workers start with the first ones.
void Run::plan(Connection& connection, std::vector<std::jthread>& workers) {
  std::vector<LedgerChunk> batch;
  std::vector<std::string> ids;
  auto last = Clock::now() - kPlanInterval;
  const auto write_down = [&] {
    plan_chunks(connection, options_.collection, dataset_.source(), batch);
    std::int64_t rows = 0;
    for (const LedgerChunk& chunk : batch) rows += chunk.rows;
    batch.clear();
    {
      std::lock_guard lock(mutex_);
      planned_rows_ += rows;
    }
    update_expectation(connection);
    // Chunks that an earlier run left may not be in the source any more: then the whole plan comes
    // first, and what is stale is forgotten before anybody can claim it.
    if (workers.empty() && !resumes_) start(workers);
    changed_.notify_all();
    last = Clock::now();
  };

  dataset_.chunks(
      [&](Chunk chunk) {
        if (!layout_) prepare(connection, &chunk);
        ids.push_back(chunk.id);
        batch.push_back({std::move(chunk.id), std::move(chunk.payload), chunk.rows});
        if (batch.size() >= kPlanBatch || Clock::now() - last >= kPlanInterval) write_down();
      },
      ending_.get_token());
  if (ending_.stop_requested()) return;
  if (!layout_) prepare(connection, nullptr);
  if (!batch.empty()) write_down();
  if (!options_.partial) {
    prune_chunks(connection, options_.collection, dataset_.source(), ids);
  }
  update_expectation(connection);
  {
    std::lock_guard lock(mutex_);
    planned_ = true;
  }
  report_progress([](IngestProgress& progress) { progress.planned = true; });
  changed_.notify_all();
  if (workers.empty()) start(workers);
}

// The collection as it is, or made from the head of the source.
void Run::prepare(Connection& connection, const Chunk* first) {
  const ModelInfo& model = encoder_.info();
  auto existing = find_collection(connection, options_.collection);
  if (!existing) {
    check_collection_name(options_.collection);
    if (first == nullptr) {
      throw Error(ErrorKind::kNotFound, "ingesting " + dataset_.source() + ": it has no rows");
    }
    Layout layout = new_layout(dataset_, model, options_, take_sample(dataset_, *first));
    try {
      create_collection(connection, layout.collection);
      layout_ = std::move(layout);
      return;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kConflict) throw;
      // Another process may just have made it.
      existing = find_collection(connection, options_.collection);
      if (!existing) throw;
    }
  }
  layout_ = fit_layout(*existing, dataset_, model, options_);
  resumes_ = count_chunks(connection, options_.collection, dataset_.source()).chunks_open > 0;
}

void Run::start(std::vector<std::jthread>& workers) {
  const int count = options_.workers > 0
                        ? options_.workers
                        : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (int i = 0; i < count; ++i) {
    workers.emplace_back([this] {
      try {
        work();
      } catch (...) {
        fail(std::current_exception());
      }
    });
  }
}

void Run::work() {
  Connection connection(url_);
  while (!ending_.stop_requested()) {
    auto claim = ChunkClaim::next(connection, layout_->collection, dataset_.source());
    if (claim) {
      process(connection, std::move(*claim));
    } else if (!more_to_come(connection)) {
      return;
    }
  }
}

void Run::process(Connection&, ChunkClaim claim) {
  Intake intake(claim, encoder_, *layout_, options_.exact ? 0 : encoder_.enough_edge(),
                ending_.get_token(), [this](int rows, int rejects) {
                  report_progress([=](IngestProgress& progress) {
                    progress.rows_done += rows;
                    progress.rejects += rejects;
                  });
                });
  double read_seconds = 0;
  const std::int64_t rows = claim.chunk().rows;
  read_into(intake, claim.chunk(), read_seconds);
  claim.done();
  {
    std::lock_guard lock(mutex_);
    const IntakeTally& tally = intake.tally();
    report_.stored += tally.stored;
    report_.rejected += tally.rejected;
    report_.read_seconds += read_seconds + tally.read_seconds;
    report_.decode_seconds += tally.decode_seconds;
    report_.encode_seconds += tally.encode_seconds;
    report_.store_seconds += tally.store_seconds;
    handled_chunk_rows_ += rows;
  }
  report_progress([](IngestProgress& progress) { ++progress.chunks_done; });
}

// A chunk whose bytes are damaged half-way keeps the rows before the damage; the rest is one
// reject, so that one bad file does not stand in the way of all the others for ever.
void Run::read_into(Intake& intake, const LedgerChunk& chunk, double& seconds) {
  const auto start_time = Clock::now();
  double elsewhere = 0;
  std::int64_t read = 0;
  std::string last_key;
  std::exception_ptr from_intake;
  try {
    dataset_.read({chunk.id, chunk.payload, chunk.rows}, [&](Row row) {
      const auto taken = Clock::now();
      last_key = row.key;
      ++read;
      try {
        intake.take(std::move(row));
      } catch (...) {
        from_intake = std::current_exception();
        throw;
      }
      elsewhere += std::chrono::duration<double>(Clock::now() - taken).count();
    });
    seconds = std::chrono::duration<double>(Clock::now() - start_time).count() - elsewhere;
  } catch (const Error& error) {
    if (from_intake || error.kind() != ErrorKind::kCorrupt) throw;
    intake.reject(read == 0 ? "chunk " + chunk.id.substr(0, 12) : "rows after " + last_key,
                  fmt::format("{} ({} of about {} rows of this part were read)", error.what(), read,
                              chunk.rows));
  }
  intake.finish();
}

// False once the plan is complete and nothing is open. A chunk in the hands of another process is
// waited for: should that one die, its chunk is ours.
bool Run::more_to_come(Connection& connection) {
  bool all_planned = false;
  {
    std::unique_lock lock(mutex_);
    all_planned = planned_;
  }
  if (all_planned &&
      count_chunks(connection, options_.collection, dataset_.source()).chunks_open == 0) {
    return false;
  }
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, ending_.get_token(), kAskAgain, [] { return false; });
  return true;
}

void Run::update_expectation(Connection& connection) {
  const LedgerCounts counts = count_chunks(connection, options_.collection, dataset_.source());
  std::int64_t handled = 0;
  {
    std::lock_guard lock(mutex_);
    handled = handled_chunk_rows_;
  }
  report_progress([&](IngestProgress& progress) {
    progress.rows_expected = std::max(progress.rows_expected, handled + counts.rows_open);
    progress.chunks_expected =
        std::max(progress.chunks_expected, progress.chunks_done + counts.chunks_open);
  });
}

void Run::fail(std::exception_ptr failure) {
  {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
  }
  ending_.request_stop();
  changed_.notify_all();
}

void Run::report_progress(const std::function<void(IngestProgress&)>& change) {
  std::lock_guard lock(progress_mutex_);
  change(progress_);
  if (on_progress_) on_progress_(progress_);
}

// The failure, with what it left behind: only whole chunks.
void Run::explain(const Error& error) {
  std::string message = error.what();
  if (error.kind() == ErrorKind::kCancelled && stop_.stop_requested()) {
    message = fmt::format("ingesting {} into {}: stopped", dataset_.source(), options_.collection);
  } else if (!layout_) {
    throw error;
  }
  throw Error(error.kind(), fmt::format("{}; {} rows and {} rejects of this run are stored, and "
                                        "running it again goes on from there",
                                        message, report_.stored, report_.rejected));
}

}  // namespace

IngestReport ingest(const std::string& database_url, const Dataset& dataset, const Encoder& encoder,
                    const IngestOptions& options, std::stop_token stop,
                    const std::function<void(const IngestProgress&)>& on_progress) {
  return Run(database_url, dataset, encoder, options, std::move(stop), on_progress).finish();
}

}  // namespace pgmmr
