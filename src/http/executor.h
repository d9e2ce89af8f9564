// Encoding, off the connections' threads: a few workers, as many as there are cores to give, that
// turn texts and pictures into vectors.
//
// Texts that wait while the workers are busy are encoded as one batch: reading the weights is what
// a short text costs, and a batch reads them once. Nobody waits for a batch to fill: an idle worker
// takes what is there. Only where the database has as many searches as it answers at once, and one
// more, do a search's texts wait, since their vectors would: they are one batch by the time one is
// answered. A search is woken with its vectors when the database can take it, first come, first
// served.
// Vectors are remembered, so that the next page of the same search, or a link that many follow,
// costs nothing.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "clip/encoder.h"

namespace pgmmr {

// Unit length.
using Embedding = std::shared_ptr<const std::vector<float>>;

class Executor {
 public:
  //   threads     that encode at once
  //   waiting     jobs that may wait; more are refused
  //   patience    how long one may wait, for a worker or for the database, before it is given up
  //   remembered  embeddings kept
  //   searches    that the database answers at once
  //   crowded     whether the other cores have other requests to answer: then no worker asks them
  //               for help. Called on the workers
  Executor(int threads, std::size_t waiting, std::chrono::milliseconds patience,
           std::size_t remembered, int searches = 1, std::function<bool()> crowded = {});
  ~Executor();  // what waits is answered first
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // A search's turn at the database: taken with the first of its texts, which its other texts need
  // not wait for again; it searches from when it has the first vector until end(). A search whose
  // vectors were known, or that needs none, takes none, so that however many of these there are,
  // they keep nobody from being encoded.
  class Turn {
   public:
    explicit Turn(Executor& executor) : executor_(executor) {}
    ~Turn() { end(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    void end() { executor_.end(*this); }

   private:
    friend class Executor;
    Executor& executor_;
    bool taken_ = false, searching_ = false;  // guarded by the executor's mutex_
  };

  // All wait for their result, on the calling thread.
  //   turn     of the search that the vectors are for; null where they are what was asked for
  //   throws   Problem{503} with Retry-After where too much waits, or it waited too long; what the
  //            encoder throws
  //   threads  safe to call at once
  std::vector<Embedding> encode_texts(const Encoder& encoder, const std::vector<std::string>& texts,
                                      Turn* turn = nullptr);
  // key: what the picture is remembered by, a digest of its bytes; make() gives its pixels and is
  // called on a worker, only where the embedding is not known yet.
  Embedding encode_picture(const Encoder& encoder, const std::string& key,
                           const std::function<Picture()>& make);
  // Anything else that takes the processor for long: decoding, thumbnails.
  void run(const std::function<void()>& work);

  struct Figures {
    std::size_t waiting = 0;
    std::uint64_t texts = 0, batches = 0, pictures = 0, remembered = 0, refused = 0;
  };
  Figures figures() const;

 private:
  struct Job {
    // A text: encoder is set. Else work.
    const Encoder* encoder = nullptr;
    const std::string* text = nullptr;
    Turn* turn = nullptr;
    std::vector<float> vector;
    std::promise<std::vector<float>> embedding;
    std::function<void()> work;
  };
  using Jobs = std::deque<std::unique_ptr<Job>>;
  // A job that was submitted, for the caller to wait for. The job is not to be touched.
  struct Pending {
    const Job* job = nullptr;
    std::future<std::vector<float>> embedding;
  };

  Pending submit(std::unique_ptr<Job> job);
  std::vector<float> await(Pending& pending);
  void work();
  bool can_start(const Job& job) const;  // mutex_ is held
  Jobs take();                           // mutex_ is held; empty where none can start
  void encode(Jobs& texts);
  void hand_out(Jobs encoded);  // them and earlier ones, as far as the database can take them
  Jobs take_encoded();          // those whose search the database can take; mutex_ is held
  void end(Turn& turn);
  Embedding recall(const std::string& key);
  void remember(const std::string& key, Embedding embedding);

  const std::size_t most_waiting_;
  const std::chrono::milliseconds patience_;
  const std::size_t most_remembered_;
  const int searches_;
  const std::function<bool()> crowded_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  Jobs jobs_;                      // guarded by mutex_
  Jobs encoded_;                   // that wait for the database; guarded by mutex_
  int turns_ = 0, searching_ = 0;  // taken, and those of them that search; guarded by mutex_
  bool closed_ = false;            // guarded by mutex_
  Figures figures_;                // guarded by mutex_
  std::mutex memory_mutex_;
  std::list<std::pair<std::string, Embedding>> memory_;  // newest first; guarded by memory_mutex_
  std::unordered_map<std::string, decltype(memory_)::iterator> places_;  // guarded likewise
  std::vector<std::thread> workers_;
};

}  // namespace pgmmr
