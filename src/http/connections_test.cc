#include "http/connections.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <set>
#include <thread>

namespace pgmmr {
namespace {

// One end is given to Connections; this is the other.
class Peer {
 public:
  Peer(Connections& connections, const std::string& name) {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    socket_ = ends[0];
    connections.add(ends[1], name);
  }
  ~Peer() { leave(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void say(char what) const { EXPECT_EQ(send(socket_, &what, 1, MSG_NOSIGNAL), 1); }
  void leave() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }
  // Whether the server has ended the connection; never waits.
  bool is_ended() const {
    char byte = 0;
    return recv(socket_, &byte, 1, MSG_DONTWAIT) == 0;
  }

 private:
  int socket_ = -1;
};

// Serves by reading bytes until the other side has gone: 'b' makes the connection busy, any other
// byte idle.
class ConnectionsTest : public testing::Test {
 protected:
  static constexpr int kThreads = 2;

  ConnectionsTest()
      : connections_(kThreads,
                     [this](int socket, const std::string& peer) { serve(socket, peer); }) {}
  ~ConnectionsTest() override { EXPECT_TRUE(connections_.stop(std::chrono::minutes(1))); }

  void serve(int socket, const std::string& peer) {
    connections_.set_waiting(socket);
    note("came " + peer);
    for (char byte = 0; recv(socket, &byte, 1, 0) == 1;) {
      byte == 'b' ? connections_.set_busy(socket) : connections_.set_waiting(socket);
      note(std::string("heard ") + byte + " of " + peer);
    }
    note("went " + peer);
  }

  void note(const std::string& what) {
    const std::lock_guard lock(mutex_);
    seen_.insert(what);
  }
  bool saw(const std::string& what) {
    const std::lock_guard lock(mutex_);
    return seen_.contains(what);
  }
  void wait_for(const std::string& what) {
    while (!saw(what)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  std::mutex mutex_;
  std::set<std::string> seen_;  // guarded by mutex_
  Connections connections_;
};

TEST_F(ConnectionsTest, QueuesWhoComesBeyondTheLimit) {
  Peer one(connections_, "one"), two(connections_, "two");
  for (const Peer* peer : {&one, &two}) peer->say('b');
  wait_for("heard b of one");
  wait_for("heard b of two");
  EXPECT_FALSE(connections_.make_room()) << "nobody waits";
  Peer three(connections_, "three");
  EXPECT_TRUE(connections_.make_room()) << "but those who are busy stay";
  EXPECT_FALSE(saw("came three"));
  one.leave();
  wait_for("came three");
  EXPECT_FALSE(connections_.make_room());
}

TEST_F(ConnectionsTest, EndsWhoHasGoneLongestWithoutARequest) {
  Peer busy(connections_, "busy");
  busy.say('b');
  wait_for("heard b of busy");
  Peer idle(connections_, "idle");
  wait_for("came idle");
  Peer next(connections_, "next");
  while (!saw("came next")) {
    connections_.make_room();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(saw("went idle"));
  EXPECT_TRUE(idle.is_ended());
  EXPECT_FALSE(busy.is_ended());
}

TEST_F(ConnectionsTest, StopEndsTheIdleAndCutTheBusy) {
  Peer busy(connections_, "busy"), idle(connections_, "idle");
  busy.say('b');
  wait_for("heard b of busy");
  wait_for("came idle");
  EXPECT_FALSE(connections_.stop(std::chrono::milliseconds(1)));
  wait_for("went idle");
  EXPECT_FALSE(saw("went busy"));
  connections_.cut();
  EXPECT_TRUE(saw("went busy"));
  EXPECT_TRUE(busy.is_ended());
}

TEST_F(ConnectionsTest, StopIsDoneWhereEverybodyHasGone) {
  Peer one(connections_, "one");
  wait_for("came one");
  EXPECT_TRUE(connections_.stop(std::chrono::minutes(1)));
  EXPECT_TRUE(saw("went one"));
}

}  // namespace
}  // namespace pgmmr
