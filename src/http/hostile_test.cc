// A table of hostile requests, sent byte by byte as they are, and what each of them gets. After
// each the server must still answer everybody else.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "http/served_fixture.h"

namespace pgmmr {
namespace {

// A connection that says exactly what it is told to.
class RawClient {
 public:
  explicit RawClient(int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    const timeval limit{30, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~RawClient() { close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool say(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  // Until the server closes.
  std::string hear() const {
    std::string heard;
    char block[4096];
    for (ssize_t n = 0; (n = recv(socket_, block, sizeof block, 0)) > 0;) {
      heard.append(block, static_cast<std::size_t>(n));
    }
    return heard;
  }
  bool connected() const { return connected_; }

  bool has_answer() const {
    char byte = 0;
    return recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
  }

 private:
  int socket_;
  bool connected_ = false;
};

int status_of(const std::string& answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::atoi(answer.c_str() + 9) : 0;
}

std::string request(const std::string& line, const std::string& body = "",
                    const std::string& headers = "") {
  return line + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers +
         (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" +
         body;
}

std::string search(const std::string& body) {
  return request("POST /api/v1/search", body, "Content-Type: application/json\r\n");
}

std::string form(const std::string& body) {
  return request("POST /api/v1/search", body, "Content-Type: multipart/form-data; boundary=x\r\n");
}

std::string nested(int depth) {
  return "{\"text\":" + std::string(static_cast<std::size_t>(depth), '[');
}

struct Hostile {
  std::string name, bytes;
  std::vector<int> statuses;  // 0: the connection is closed without a word
};

std::vector<Hostile> hostile_requests() {
  const std::string chunked =
      "POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: "
      "application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
  return {
      {"binary noise", std::string("\x16\x03\x01\x02\x00\x01\x00\xfc\r\n\r\n", 12), {400}},
      {"an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505}},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", {400}},
      {"two lengths",
       "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
       {400}},
      {"length and chunks",
       "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n",
       {400}},
      {"a negative length",
       "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
       {400}},
      {"an enormous length",
       "POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n",
       {413}},
      {"a length above 64 bits",
       "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
       {400}},
      {"a proxy's request", request("GET http://169.254.169.254/latest"), {400}},
      {"CONNECT", request("CONNECT evil.example:443"), {501}},
      {"TRACE", request("TRACE /"), {501}},
      {"PUT", request("PUT /api/v1/search", "x"), {405}},
      {"another host", "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", {421}},
      {"a header without end",
       "GET / HTTP/1.1\r\nHost: localhost\r\nA: " + std::string(100'000, 'a'),
       {431}},
      {"ten thousand headers",
       [] {
         std::string text = "GET / HTTP/1.1\r\nHost: localhost\r\n";
         for (int i = 0; i < 10'000; ++i) text += "A: b\r\n";
         return text + "\r\n";
       }(),
       {431}},
      {"a long address", request("GET /" + std::string(10'000, 'a')), {414}},
      {"a long path of a known route",
       request("GET /api/v1/collections/" + std::string(3'000, 'a')),
       {404}},
      {"a path of slashes", request("GET " + std::string(3'000, '/')), {404}},
      {"a path that climbs", request("GET /../../../../etc/passwd"), {404}},
      {"an encoded path that climbs", request("GET /%2e%2e%2f%2e%2e%2fetc%2fpasswd"), {404}},
      {"a zero byte in the path", request("GET /%00"), {404}},
      {"a zero byte in a key", request("GET /api/v1/collections/numbers/item?key=a%00b"), {400}},
      {"a key that is not UTF-8",
       request("GET /api/v1/collections/numbers/item?key=%ff%fe"),
       {400}},
      {"SQL in a key",
       request("GET /api/v1/collections/numbers/item?key='%3B%20DROP%20TABLE%20numbers--"),
       {404}},
      {"SQL in a collection's name",
       request("GET /api/v1/collections/numbers%22%3B--/item?key=a"),
       {404}},
      {"a condition", request("GET /api/v1/search?collection=numbers&text=1&where=true"), {400}},
      {"headers in a parameter", request("GET /?token=a%0d%0aSet-Cookie:%20b=c"), {200}},
      {"many ranges",
       request(
           "GET /api/v1/collections/numbers/picture?key=row/1", "",
           "Range: bytes=" +
               [] {
                 std::string ranges;
                 for (int i = 0; i < 1000; ++i) ranges += "0-,";
                 return ranges;
               }() +
               "0-\r\n"),
       {200}},
      {"a range that is a regular expression's nightmare",
       request("GET /healthz", "", "Range: bytes=" + std::string(8'000, '1') + "\r\n"),
       {200}},
      {"an empty body", search(""), {400}},
      {"no JSON", search("{\"text\":"), {400}},
      {"a list", search("[]"), {400}},
      {"deep JSON", search(nested(100'000)), {400}},
      {"wide JSON",
       search("{\"text\":[" +
              [] {
                std::string zeros;
                for (int i = 0; i < 200'000; ++i) zeros += "0,";
                return zeros;
              }() +
              "0]}"),
       {400}},
      {"JSON that is not UTF-8", search("{\"text\":\"\xff\xfe\"}"), {400}},
      {"a zero byte in the text", search(R"({"collection":"numbers","text":"a\u0000b"})"), {400}},
      {"a lone surrogate", search(R"({"collection":"numbers","text":"\ud800"})"), {400}},
      {"a long text",
       search(R"({"collection":"numbers","text":")" + std::string(20'000, 'a') + "\"}"),
       {400}},
      {"too many hits", search(R"({"collection":"numbers","text":"1","k":1000000})"), {400}},
      {"a huge number", search(R"({"collection":"numbers","text":"1","k":1e400})"), {400}},
      {"a huge integer",
       search(R"({"collection":"numbers","text":"1","k":18446744073709551615})"),
       {400}},
      {"a wrong type of body",
       request("POST /api/v1/search", "<x/>", "Content-Type: text/xml\r\n"),
       {415}},
      {"a compressed body",
       request("POST /api/v1/search", "x", "Content-Encoding: gzip\r\n"),
       {415}},
      {"a form without boundary",
       request("POST /api/v1/search", "x", "Content-Type: multipart/form-data\r\n"),
       {400}},
      {"a form that does not end",
       form("--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nabc"),
       {400}},
      {"a form whose header does not end", form("--x\r\n" + std::string(20'000, 'a')), {400}},
      {"a form of nothing", form("--x--\r\n"), {400}},
      {"a form with an unknown file",
       form("--x\r\nContent-Disposition: form-data; name=\"shell\"; "
            "filename=\"a.php\"\r\nContent-Type: text/plain\r\n\r\n<?php\r\n--x--\r\n"),
       {400}},
      {"a file that is no picture",
       form("--x\r\nContent-Disposition: form-data; "
            "name=\"collection\"\r\n\r\nnumbers\r\n--x\r\nContent-Disposition: form-data; "
            "name=\"image\"; filename=\"../../a.png\"\r\nContent-Type: "
            "image/png\r\n\r\nGIF89a\r\n--x--\r\n"),
       {415}},
      {"an SVG",
       search(
           R"({"collection":"numbers","image":"PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4="})"),
       {415}},
      {"chunks of a bad size", chunked + "zz\r\n", {400, 0}},
      {"a chunk larger than it says", chunked + "1\r\nabc\r\n0\r\n\r\n", {400, 0}},
      {"a chunk of 2^64 bytes", chunked + "ffffffffffffffff\r\nabc", {400, 413, 0}},
      {"a stranger's upload path",
       request("POST /gradio_api/run/search_image", R"({"data":[{"path":"/etc/passwd"}]})"),
       {500}},
      {"a Gradio call of nothing", request("POST /gradio_api/queue/join", "{}"), {400}},
      {"a Gradio function that is none",
       request("POST /gradio_api/queue/join", R"({"data":[],"fn_index":99,"session_hash":"a"})"),
       {400}},
      {"token ids as input", request("POST /v1/embeddings", R"({"input":[1,2,3]})"), {400}},
      {"no input", request("POST /v1/embeddings", "{}"), {400}},
      {"JSON-RPC without a method", request("POST /mcp", R"({"jsonrpc":"2.0","id":1})"), {400}},
  };
}

class Hostility : public test::Served {};

TEST_F(Hostility, GetsWhatTheTableSays) {
  settings_.body_bytes = 1'000'000;
  start();
  for (const Hostile& one : hostile_requests()) {
    const RawClient raw(server_->port());
    ASSERT_TRUE(raw.connected()) << one.name;
    raw.say(one.bytes);
    // Those that leave the server waiting for more are not what this table is about.
    const std::string answer = raw.hear();
    EXPECT_THAT(one.statuses, testing::Contains(status_of(answer))) << one.name << "\n" << answer;
    EXPECT_THAT(answer, testing::Not(testing::HasSubstr("root:x:0"))) << one.name;
    EXPECT_THAT(answer, testing::Not(testing::HasSubstr("Set-Cookie: b"))) << one.name;
    const auto other = get("/healthz");
    ASSERT_TRUE(other && other->status == 200) << "after " << one.name;
  }
}

// What follows a refused request on its connection must not be taken for the next one.
TEST_F(Hostility, ReadsNoRequestOutOfABody) {
  start();
  const RawClient raw(server_->port());
  raw.say(
      "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60\r\n\r\n"
      "GET /api/v1/collections HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string answer = raw.hear();
  EXPECT_EQ(status_of(answer), 404);
  EXPECT_EQ(answer.find("HTTP/1.1", 9), std::string::npos) << answer;
}

TEST_F(Hostility, AnswersRequestsThatCameTogether) {
  start();
  const RawClient raw(server_->port());
  raw.say("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + request("GET /readyz"));
  const std::string answer = raw.hear();
  EXPECT_NE(answer.find(R"({"status":"ok"})"), std::string::npos);
  EXPECT_NE(answer.find(R"({"status":"ready"})"), std::string::npos);
}

TEST_F(Hostility, EndsRequestsThatTakeTooLong) {
  limits_.head_ms = 300;
  limits_.body_ms = 300;
  start();
  const RawClient head(server_->port()), body(server_->port()), silent(server_->port());
  body.say(
      "POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 1000\r\n\r\n");
  // A byte now and then must not keep it open. Only until the answer is there: what is sent to a
  // closed connection would make the system throw the answer away.
  const auto drip_until_answered = [](const RawClient& raw, const char* byte) {
    while (!raw.has_answer() && raw.say(byte)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return status_of(raw.hear());
  };
  EXPECT_EQ(drip_until_answered(head, "G"), 408);
  EXPECT_THAT((std::vector<int>{400, 408}), testing::Contains(drip_until_answered(body, "{")));
  EXPECT_EQ(silent.hear(), "");
}

TEST_F(Hostility, IdleConnectionsMakeRoom) {
  limits_.connections = 8;
  start();
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 40; ++i) {
    idle.push_back(std::make_unique<RawClient>(server_->port()));
    idle.back()->say("GET / HTTP/1.1\r\nHo");
  }
  const auto answer = get("/healthz");
  ASSERT_TRUE(answer) << httplib::to_string(answer.error());
  EXPECT_EQ(answer->status, 200);
}

}  // namespace
}  // namespace pgmmr
