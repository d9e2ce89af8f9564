#include "http/request_head.h"

#include <gtest/gtest.h>

namespace pgmmr {
namespace {

RequestHead read(const std::string& lines) { return read_head(lines + "\r\n"); }

TEST(RequestHead, KeepsAPlainRequest) {
  const auto head = read("GET /a?b=c HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n");
  EXPECT_EQ(head.status, 0) << head.problem;
  EXPECT_EQ(head.text, "GET /a?b=c HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n");
  EXPECT_FALSE(head.has_body);
}

TEST(RequestHead, TakesOutWhatTheLibraryWouldActOn) {
  const auto head = read(
      "POST / HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\nAccept-Encoding: BR, gzip\r\n"
      "Expect: 100-continue\r\nREMOTE_ADDR: 6.6.6.6\r\nContent-Length: 3\r\n");
  EXPECT_EQ(head.status, 0) << head.problem;
  EXPECT_EQ(head.text, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(head.range, "bytes=0-9");
  EXPECT_EQ(head.accept_encoding, "br, gzip");
  EXPECT_TRUE(head.expects_continue);
  EXPECT_TRUE(head.has_body);
  EXPECT_EQ(head.content_length, 3U);
}

struct Refused {
  const char* lines;
  int status;
};

// RFC 9112, sections 3, 5 and 6.3, and the limits.
class RequestHeadRefuses : public testing::TestWithParam<Refused> {};

TEST_P(RequestHeadRefuses, It) {
  const auto head = read(GetParam().lines);
  EXPECT_EQ(head.status, GetParam().status) << head.problem;
  EXPECT_FALSE(head.problem.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Heads, RequestHeadRefuses,
    testing::Values(
        Refused{"GET /\r\nHost: x\r\n", 400}, Refused{"\r\n", 400},
        Refused{"GET / HTTP/2.0\r\nHost: x\r\n", 505},
        Refused{"BREW / HTTP/1.1\r\nHost: x\r\n", 501},
        Refused{"G{T / HTTP/1.1\r\nHost: x\r\n", 400},
        Refused{"GET http://other/ HTTP/1.1\r\nHost: x\r\n", 400},
        Refused{"GET /a b HTTP/1.1\r\nHost: x\r\n", 400}, Refused{"GET / HTTP/1.1\r\n", 400},
        Refused{"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n", 400},
        Refused{"GET / HTTP/1.1\r\nHost : x\r\n", 400},
        Refused{"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n", 400},
        Refused{"GET / HTTP/1.1\r\nHost: x\r\nA: a\nb\r\n", 400},
        Refused{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n", 400},
        Refused{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n", 400},
        Refused{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n", 400},
        Refused{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                400},
        Refused{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n", 501},
        Refused{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 400},
        Refused{"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n", 415},
        Refused{"POST / HTTP/1.1\r\nHost: x\r\nExpect: the-unexpected\r\n", 417}));

TEST(RequestHead, RefusesWhatIsTooMuch) {
  const std::string start = "GET / HTTP/1.1\r\nHost: x\r\n";
  EXPECT_EQ(read(start + "A: " + std::string(kMaxHeadBytes, 'a') + "\r\n").status, 431);
  std::string many = start;
  for (int i = 0; i < kMaxHeaders; ++i) many += "A: b\r\n";
  EXPECT_EQ(read(many).status, 431);
  EXPECT_EQ(read("GET /" + std::string(kMaxTargetBytes, 'a') + " HTTP/1.1\r\nHost: x\r\n").status,
            414);
}

}  // namespace
}  // namespace pgmmr
