// What Gradio's clients leave here between two of their requests: calls that a second request runs,
// and pictures that a later call names. All of it bounded, all of it forgotten in time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgmmr {

struct GradioCall {
  int function = 0;
  std::vector<nlohmann::json> arguments;
  std::string event_id = {};  // given by the inbox
};

// Safe to call from many threads at once. Ids and paths are 128 random bits: who has not been told
// one finds nothing.
class GradioInbox {
 public:
  // Puts a call behind those of its session.
  //   session  of the client's choosing
  //   returns  the call's event id
  //   throws   Problem 503 where too many sessions, or calls of this one, wait
  std::string add(const std::string& session, GradioCall call);
  // A call of no session, which take_lone() finds by the event id returned. Throws as add().
  std::string add_lone(GradioCall call);

  // The session's oldest call, out of the inbox; waits so long for one to come.
  std::optional<GradioCall> take(const std::string& session,
                                 std::chrono::milliseconds patience = {});
  std::optional<GradioCall> take_lone(const std::string& event_id);
  void drop(const std::string& event_id);

  // Keeps a picture's bytes until others need the room (128 MB in all) or ten minutes have passed.
  //   returns  its path, to which the client may add a slash and a file's name
  std::string add_upload(std::string bytes);
  std::optional<std::string> upload(std::string_view path);

 private:
  using Clock = std::chrono::steady_clock;

  struct Waiting {
    GradioCall call;
    Clock::time_point since;
  };
  struct Upload {
    std::string path, bytes;
    Clock::time_point since;
  };

  std::string put(const std::string& queue, std::string event_id, GradioCall call);
  std::optional<GradioCall> take_of(const std::string& queue, std::chrono::milliseconds patience);

  std::mutex mutex_;
  std::condition_variable came_;
  std::map<std::string, std::deque<Waiting>> queues_;  // none is empty; guarded by mutex_
  std::deque<Upload> uploads_;                         // guarded by mutex_
  std::size_t upload_bytes_ = 0;                       // guarded by mutex_
};

}  // namespace pgmmr
