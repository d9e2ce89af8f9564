#include "hub/http.h"

#include <gtest/gtest.h>
#include <httplib.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/settings.h"
#include "hub/cache.h"
#include "hub/hub.h"
#include "hub/part_file.h"
#include "hub/tree.h"
#include "support/hub_server.h"
#include "support/places.h"

namespace pgmmr {
namespace {

TEST(Http, QuotesAsPythonsQuoteDoes) {
  EXPECT_EQ(url_quote("refs/convert/parquet", false), "refs%2Fconvert%2Fparquet");
  EXPECT_EQ(url_quote("a b/ü#?.txt", true), "a%20b/%C3%BC%23%3F.txt");
}

// RFC 3986, 5.4.
TEST(Http, ResolvesReferences) {
  EXPECT_EQ(url_resolve("http://a/b/c/d?q", "/g"), "http://a/g");
  EXPECT_EQ(url_resolve("http://a/b/c/d?q", "../g"), "http://a/b/g");
  EXPECT_EQ(url_resolve("http://a/b/c/d?q", "https://h/x?y=1"), "https://h/x?y=1");
}

TEST(Http, HidesWhatMayBeSecret) {
  EXPECT_EQ(printable_url("https://me:word@host:8/p/x.csv?sig=1#f"), "https://host:8/p/x.csv");
}

TEST(Http, TellsHostsApart) {
  EXPECT_EQ(url_host("https://Hub.co/x"), "hub.co");
  EXPECT_EQ(url_host("http://127.0.0.1:80/x"), "127.0.0.1:80");
  EXPECT_EQ(url_host("//cdn.co/x"), "cdn.co");
  EXPECT_EQ(url_host("/acme/clip"), "");
  EXPECT_NE(url_host("http://127.0.0.1:1"), url_host("http://127.0.0.1:2"));
}

TEST(Http, WaitsAsLongAsTheServerAsks) {
  HttpAnswer answer;
  answer.status = 429;
  EXPECT_EQ(retry_delay_ms(answer, 0, 1000), 1000);
  EXPECT_EQ(retry_delay_ms(answer, 9, 1000), 8000);
  answer.headers["retry-after"] = "7";
  EXPECT_EQ(retry_delay_ms(answer, 0, 1000), 7000);
  answer.headers["ratelimit"] = "\"resolvers\";r=0;t=55";
  EXPECT_EQ(retry_delay_ms(answer, 0, 1000), 56'000);
  answer.headers["ratelimit"] = "\"api\";r=12;t=55";
  EXPECT_EQ(retry_delay_ms(answer, 0, 1000), 7000);
  answer.headers["retry-after"] = "99999999999999999999";
  EXPECT_EQ(retry_delay_ms(answer, 0, 1000), 24 * 3600 * 1000);
  answer.headers["retry-after"] = "Wed, 21 Oct 2015 07:28:00 GMT";
  EXPECT_EQ(retry_delay_ms(answer, 0, 1000), 0);
}

// A server on https that nobody vouches for, unless its certificate is named as an authority.
class TlsServer {
 public:
  explicit TlsServer(const std::filesystem::path& certificate_file) {
    key_.reset(EVP_RSA_gen(2048));
    certificate_.reset(X509_new());
    X509* x = certificate_.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_EXTENSION* name =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(x, name, -1);
    X509_EXTENSION_free(name);
    X509_EXTENSION* authority =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "CA:TRUE");
    X509_add_ext(x, authority, -1);
    X509_EXTENSION_free(authority);
    X509_sign(x, key_.get(), EVP_sha256());
    FILE* file = std::fopen(certificate_file.c_str(), "w");
    PEM_write_X509(file, x);
    std::fclose(file);
    server_ = std::make_unique<httplib::SSLServer>(x, key_.get());
    server_->set_keep_alive_max_count(1);
    server_->Get(".*", [this](const httplib::Request& request, httplib::Response& response) {
      if (request.path == "/down") {
        response.set_redirect(redirect_to);
      } else {
        response.set_content("bytes", "text/plain");
      }
    });
    port_ = server_->bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_->listen_after_bind(); });
    while (!server_->is_running()) std::this_thread::yield();
  }
  ~TlsServer() {
    server_->stop();
    thread_.join();
  }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_); }

  std::string redirect_to;

 private:
  struct Deleter {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  };
  std::unique_ptr<EVP_PKEY, Deleter> key_;
  std::unique_ptr<X509, Deleter> certificate_;
  std::unique_ptr<httplib::SSLServer> server_;
  int port_ = 0;
  std::thread thread_;
};

TEST(Http, TrustsOnlyKnownAuthoritiesAndNeverLeavesTls) {
  test::TemporaryFolder folder;
  test::HubServer plain;
  plain.serve_file("/x", "bytes");
  TlsServer server(folder.path() / "authority.pem");
  HttpRequest request;
  request.url = server.url() + "/x";
  const auto before = environment("REQUESTS_CA_BUNDLE");
  EXPECT_NE(http_request(request).problem, "");
  setenv("REQUESTS_CA_BUNDLE", (folder.path() / "authority.pem").c_str(), 1);
  const HttpAnswer trusted = http_request(request);
  EXPECT_EQ(trusted.body, "bytes") << trusted.problem;
  server.redirect_to = plain.url() + "/x";
  request.url = server.url() + "/down";
  request.redirects = 3;
  EXPECT_THROW(http_request(request), Error);
  if (before) {
    setenv("REQUESTS_CA_BUNDLE", before->c_str(), 1);
  } else {
    unsetenv("REQUESTS_CA_BUNDLE");
  }
  EXPECT_TRUE(plain.requests().empty());
}

TEST(Http, FollowsNoRedirectToOtherProtocolsNorInCircles) {
  test::HubServer server;
  server.add({"GET", "/there", 1, 302, {{"Location", "file:///etc/passwd"}}});
  HttpRequest request;
  request.url = server.url() + "/there";
  request.redirects = 3;
  EXPECT_THROW(http_request(request), Error);
  server.add({"GET", "/round", -1, 302, {{"Location", "/round"}}});
  request.url = server.url() + "/round";
  EXPECT_THROW(http_request(request), Error);
  EXPECT_EQ(server.count("GET", "/round"), 4);
}

TEST(Http, DropsTheTokenWhereTheHostChanges) {
  test::HubServer one, other;
  other.serve_file("/x", "bytes");
  one.add({"GET", "/x", 1, 302, {{"Location", other.url() + "/x"}}});
  HttpRequest request;
  request.url = one.url() + "/x";
  request.token = "hf_secret";
  request.redirects = 3;
  EXPECT_EQ(http_request(request).body, "bytes");
  EXPECT_EQ(one.requests()[0].authorization, "Bearer hf_secret");
  EXPECT_EQ(other.requests()[0].authorization, "");
}

TEST(Http, BoundsABodyThatNobodyTakes) {
  test::HubServer server;
  server.serve_file("/x", std::string(100'000, 'x'));
  HttpRequest request;
  request.url = server.url() + "/x";
  request.max_body = 1000;
  const auto answer = http_request(request);
  EXPECT_FALSE(answer.ok());
  EXPECT_LE(answer.body.size(), 1000u);
}

TEST(Etag, LosesItsWrapping) {
  EXPECT_EQ(check_etag("\"abc\""), "abc");
  EXPECT_EQ(check_etag("W/\"abc\""), "abc");
  for (const char* bad : {"", "\"\"", "\"../x\"", "\"a/b\"", ".."}) {
    EXPECT_THROW(check_etag(bad), Error) << bad;
  }
}

TEST(Range, StartsWhereTheHeaderSays) {
  EXPECT_EQ(range_start("bytes 5-9/10"), 5);
  EXPECT_EQ(range_start("bytes */10"), -1);
  EXPECT_EQ(range_start(""), -1);
  EXPECT_EQ(range_start("bytes 99999999999999999999-1/2"), -1);
}

// RFC 8288's form, and what the hub sends.
TEST(Link, FindsTheNextPage) {
  EXPECT_EQ(next_page("<https://h/x?cursor=a,b>; rel=\"next\""), "https://h/x?cursor=a,b");
  EXPECT_EQ(next_page("<https://h/1>; rel=\"prev\", <https://h/3>; rel=\"next\""), "https://h/3");
  EXPECT_EQ(next_page("<https://h/1>; rel=\"prev\""), "");
  EXPECT_EQ(next_page(""), "");
  EXPECT_EQ(next_page("<"), "");
}

TEST(Tree, ReadsWhatItWrote) {
  std::vector<TreeEntry> entries;
  parse_tree_page(R"([{"type":"directory","path":"a","oid":"d"},
    {"type":"file","path":"a/x.parquet","size":3,"oid":"b1",
     "lfs":{"oid":"s2","size":9,"pointerSize":3},"xetHash":"h"},
    {"type":"file","path":"README.md","size":4,"oid":"b2"}])",
                  entries);
  ASSERT_EQ(entries.size(), 2u);
  const auto again = tree_from_json(tree_to_json(entries));
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[1].path, "a/x.parquet");
  EXPECT_EQ(again[1].lfs_sha256, "s2");
  EXPECT_EQ(again[1].xet_hash, "h");
  EXPECT_EQ(to_hub_file(again[1]).size, 9u);
  EXPECT_EQ(to_hub_file(again[0]).etag, "b2");
}

TEST(Tree, RefusesWhatIsNotAListing) {
  for (const char* bad :
       {"", "{}", "[1]", R"([{"type":"file"}])", R"([{"type":"file","path":"/etc/passwd"}])",
        R"([{"type":"file","path":"a","size":-1}])", R"([{"type":"file","path":7}])"}) {
    std::vector<TreeEntry> entries;
    EXPECT_THROW(parse_tree_page(bad, entries), Error) << bad;
  }
  for (const char* bad :
       {"", "[]", R"({"format_version":2,"files":{}})", R"({"format_version":1})"}) {
    EXPECT_THROW(tree_from_json(bad), Error) << bad;
  }
}

class SettingsTest : public testing::Test {
 protected:
  SettingsTest() {
    for (const char* name : kNames) unsetenv(name);
    setenv("HOME", folder_.path().c_str(), 1);
  }
  ~SettingsTest() override {
    for (const char* name : kNames) unsetenv(name);
    setenv("HOME", home_.c_str(), 1);
  }
  static constexpr const char* kNames[] = {"HF_HOME",
                                           "HF_HUB_CACHE",
                                           "HUGGINGFACE_HUB_CACHE",
                                           "XDG_CACHE_HOME",
                                           "HF_TOKEN",
                                           "HF_TOKEN_PATH",
                                           "HUGGING_FACE_HUB_TOKEN",
                                           "HF_ENDPOINT",
                                           "HF_HUB_OFFLINE",
                                           "TRANSFORMERS_OFFLINE",
                                           "HF_HUB_DISABLE_IMPLICIT_TOKEN",
                                           "HF_HUB_DISABLE_SYMLINKS",
                                           "HF_HUB_ETAG_TIMEOUT"};
  test::TemporaryFolder folder_;
  std::string home_ = std::getenv("HOME") != nullptr ? std::getenv("HOME") : "/";
};

// constants.py of huggingface_hub, line by line.
TEST_F(SettingsTest, FindsTheCacheAsPythonDoes) {
  const auto cache = [] { return HubSettings::from_environment().cache.string(); };
  EXPECT_EQ(cache(), folder_.path().string() + "/.cache/huggingface/hub");
  setenv("XDG_CACHE_HOME", "/xdg", 1);
  EXPECT_EQ(cache(), "/xdg/huggingface/hub");
  setenv("HF_HOME", "~/hf", 1);
  EXPECT_EQ(cache(), folder_.path().string() + "/hf/hub");
  setenv("HUGGINGFACE_HUB_CACHE", "$XDG_CACHE_HOME/old", 1);
  EXPECT_EQ(cache(), "/xdg/old");
  setenv("HF_HUB_CACHE", "${XDG_CACHE_HOME}/new", 1);
  EXPECT_EQ(cache(), "/xdg/new");
}

TEST_F(SettingsTest, FindsTheTokenAsPythonDoes) {
  const auto token = [] { return HubSettings::from_environment().token; };
  EXPECT_EQ(token(), "");
  std::filesystem::create_directories(folder_.path() / ".cache/huggingface");
  write_file(folder_.path() / ".cache/huggingface/token", "hf_file\n");
  EXPECT_EQ(token(), "hf_file");
  setenv("HUGGING_FACE_HUB_TOKEN", "hf_older", 1);
  EXPECT_EQ(token(), "hf_older");
  setenv("HF_TOKEN", " hf_new\r\n", 1);
  EXPECT_EQ(token(), "hf_new");
  setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", 1);
  EXPECT_EQ(token(), "");
}

TEST_F(SettingsTest, ReadsSwitchesAndTimes) {
  EXPECT_EQ(HubSettings::from_environment().endpoint, "https://huggingface.co");
  setenv("HF_ENDPOINT", "https://mirror.example//", 1);
  EXPECT_EQ(HubSettings::from_environment().endpoint, "https://mirror.example");
  EXPECT_FALSE(HubSettings::from_environment().offline);
  setenv("TRANSFORMERS_OFFLINE", "yes", 1);
  EXPECT_TRUE(HubSettings::from_environment().offline);
  setenv("HF_HUB_OFFLINE", "0", 1);
  EXPECT_FALSE(HubSettings::from_environment().offline);
  setenv("HF_HUB_ETAG_TIMEOUT", "3", 1);
  EXPECT_EQ(HubSettings::from_environment().etag_timeout_s, 3);
  setenv("HF_HUB_ETAG_TIMEOUT", "soon", 1);
  EXPECT_THROW(HubSettings::from_environment(), Error);
}

}  // namespace
}  // namespace pgmmr
