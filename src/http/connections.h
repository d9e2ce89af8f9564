// The connections that were accepted, and the room kept for them: a thread each.
//
// A thread is started when one is needed, up to a limit, and ends when it has had nothing to do for
// a while. Whoever comes beyond the limit waits in a short queue until make_room() ends the
// connection that has gone longest without a request.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace pgmmr {

class Connections {
 public:
  // Serves one connection on the calling thread, until either side has had enough. Called again and
  // again from up to `limit` threads; must not throw. The socket is closed once it returns.
  using Serve = std::function<void(int socket, const std::string& peer)>;

  Connections(int limit, Serve serve);
  // Only once no thread is left: after stop() that returned true, or cut().
  ~Connections() = default;
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // Takes the socket over: has it served, queues it, or closes it where the queue is full.
  //   threads  add() and make_room() are for one thread, the one that accepts
  void add(int socket, std::string peer);
  // Where every thread has a connection and others wait for one, ends as many as wait: those that
  // have gone longest without a request.
  //   returns  whether somebody still waits, so that it must be called again soon
  bool make_room();

  // Told by the thread that serves the socket: whether a request is under way. One that waits for
  // its client may be ended at any time.
  void set_waiting(int socket) { set_busy(socket, false); }
  void set_busy(int socket) { set_busy(socket, true); }

  // Ends the connections without a request under way and lets the others finish. After the last
  // add(); whoever serves must by then leave after the request in hand.
  //   returns  whether all threads have ended within so long
  bool stop(std::chrono::milliseconds drain);
  // After stop(): ends all that are left, in the midst of a request or not, and waits for their
  // threads.
  void cut();

 private:
  using Clock = std::chrono::steady_clock;

  struct Accepted {
    int socket;
    std::string peer;
  };
  struct Connected {
    bool busy = false;
    Clock::time_point since = Clock::now();  // busy or not
    bool sent_away = false;
  };

  void serve_all();  // a thread's life
  void set_busy(int socket, bool busy);

  const int limit_;
  const Serve serve_;
  std::mutex mutex_;
  std::condition_variable work_, gone_;
  std::deque<Accepted> accepted_;         // guarded by mutex_
  std::map<int, Connected> connections_;  // by socket; guarded by mutex_
  int threads_ = 0, idle_threads_ = 0;    // guarded by mutex_
  bool stopping_ = false;                 // guarded by mutex_
};

}  // namespace pgmmr
