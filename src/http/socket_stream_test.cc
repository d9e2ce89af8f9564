// In which pieces a reply leaves, over a socket that keeps them apart.
#include "http/socket_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace pgmmr {
namespace {

class Reply : public testing::Test {
 protected:
  Reply() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends.data()), 0);
    stream.emplace(ends[0], "peer");
    ask();
  }
  ~Reply() override {
    for (const int end : ends) close(end);
  }

  void ask() {
    const std::string_view request = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
    EXPECT_EQ(send(ends[1], request.data(), request.size(), 0), std::ssize(request));
    EXPECT_EQ(stream->next_head(1000, 1000, 1000, 1000, 1000), SocketStream::Arrival::kRequest);
  }
  void write(const std::string& bytes) {
    EXPECT_EQ(stream->write(bytes.data(), bytes.size()), std::ssize(bytes));
  }
  // The next piece; empty where none has left yet.
  std::string piece() {
    std::array<char, 1 << 16> block;
    const ssize_t n = recv(ends[1], block.data(), block.size(), MSG_DONTWAIT);
    return {block.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
  }

  std::array<int, 2> ends{};
  std::optional<SocketStream> stream;
};

TEST_F(Reply, LeavesInOnePieceWhereItsBodyIsKnown) {
  for (int i = 0; i < 2; ++i) {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    write(head);
    EXPECT_EQ(piece(), "");
    EXPECT_EQ(stream->sent(), 0U);
    write("apple");
    EXPECT_EQ(piece(), head + "apple");
    EXPECT_TRUE(stream->flush());
    EXPECT_EQ(piece(), "");
    EXPECT_EQ(stream->sent(), head.size() + 5);
    ask();
  }
}

TEST_F(Reply, OfABodyInPiecesSendsTheFirstWithTheHead) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
  write(head);
  write("red ");
  write("apple");
  EXPECT_EQ(piece(), head + "red ");
  EXPECT_EQ(piece(), "apple");
}

TEST_F(Reply, WithoutABodyLeavesAtItsEnd) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";  // of HEAD
  write(head);
  EXPECT_TRUE(stream->flush());
  EXPECT_EQ(piece(), head);
}

TEST_F(Reply, ThatIsStreamedTellsItsHeadAtOnce) {
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  write(head);
  EXPECT_EQ(piece(), head);
  write("5\r\napple\r\n");
  EXPECT_EQ(piece(), "5\r\napple\r\n");
}

TEST_F(Reply, ToAPeerThatIsGoneFails) {
  write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  shutdown(ends[1], SHUT_RDWR);
  EXPECT_EQ(stream->write("apple", 5), -1);
}

}  // namespace
}  // namespace pgmmr
