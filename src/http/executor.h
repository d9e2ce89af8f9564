// Encoding, off the connections' threads: a few workers, as many as there are cores to give, that
// turn texts and pictures into vectors.
//
// Texts that wait while the workers are busy are encoded as one batch: reading the weights is what
// a short text costs, and a batch reads them once. Nobody waits for a batch to fill: an idle worker
// takes what is there. Vectors are remembered, so that the next page of the same search, or a link
// that many follow, costs nothing.
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
  //   patience    how long one may wait before it is given up
  //   remembered  embeddings kept
  Executor(int threads, std::size_t waiting, std::chrono::milliseconds patience,
           std::size_t remembered);
  ~Executor();  // what waits is answered first
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // All wait for their result, on the calling thread.
  //   throws   Problem{503} with Retry-After where too much waits, or it waited too long; what the
  //            encoder throws
  //   threads  safe to call at once
  std::vector<Embedding> encode_texts(const Encoder& encoder,
                                      const std::vector<std::string>& texts);
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
    std::promise<std::vector<float>> embedding;
    std::function<void()> work;
    std::chrono::steady_clock::time_point since;
  };

  std::future<std::vector<float>> submit(std::unique_ptr<Job> job);
  void work();
  void encode(std::vector<std::unique_ptr<Job>>& texts);
  Embedding recall(const std::string& key);
  void remember(const std::string& key, Embedding embedding);

  const std::size_t most_waiting_;
  const std::chrono::milliseconds patience_;
  const std::size_t most_remembered_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<std::unique_ptr<Job>> jobs_;  // guarded by mutex_
  bool closed_ = false;                    // guarded by mutex_
  Figures figures_;                        // guarded by mutex_
  std::mutex memory_mutex_;
  std::list<std::pair<std::string, Embedding>> memory_;  // newest first; guarded by memory_mutex_
  std::unordered_map<std::string, decltype(memory_)::iterator> places_;  // guarded likewise
  std::vector<std::thread> workers_;
};

}  // namespace pgmmr
