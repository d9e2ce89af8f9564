#include "http/picture_fetch.h"

#include <atomic>

#include "base/error.h"
#include "http/problem.h"
#include "hub/http.h"

namespace pgmmr {
namespace {

constexpr int kAtOnce = 16;  // each holds its connection's thread
constexpr std::size_t kLongestUrl = 2048;

std::atomic<int> under_way = 0;

struct Turn {
  Turn() {
    if (++under_way > kAtOnce) {
      --under_way;
      throw Problem(503, "too many pictures are being fetched; try again in a moment", {},
                    {{"Retry-After", "2"}});
    }
  }
  ~Turn() { --under_way; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
};

}  // namespace

std::string fetch_picture(Service& service, const std::string& url) {
  if (!service.settings.fetches_urls) {
    throw mistake("image_url", "given", "a picture itself: this server fetches no addresses");
  }
  if (url.size() > kLongestUrl) {
    throw mistake("image_url", std::to_string(url.size()) + " bytes", "at most 2048");
  }
  const Turn turn;
  HttpRequest request;
  request.url = url;
  request.headers["Accept"] = "image/*";
  request.redirects = 5;
  request.connect_timeout_s = 5;
  request.idle_timeout_s = 5;
  request.total_timeout_s = 10;
  request.max_body = service.settings.body_bytes;
  request.only_public = !service.settings.fetches_private_urls;
  HttpAnswer answer;
  try {
    answer = http_request(request);
  } catch (const Error& error) {
    throw Problem(error.kind() == ErrorKind::kInvalidArgument ? 400 : 502,
                  std::string("image_url: ") + error.what());
  }
  if (answer.not_public) {
    throw mistake("image_url", "of an address that is not public", "a public address");
  }
  if (!answer.ok()) {
    throw Problem(502,
                  "image_url could not be fetched: " +
                      (answer.problem.empty() ? "the answer was " + std::to_string(answer.status)
                                              : answer.problem));
  }
  return std::move(answer.body);
}

}  // namespace pgmmr
