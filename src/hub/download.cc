#include "hub/download.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/settings.h"
#include "hub/http.h"
#include "hub/part_file.h"

namespace pgmmr {
namespace {

constexpr int kRetries = 5;
constexpr std::int64_t kLongestWaitMs = 310'000;

// What is known of the copy beside it: <folder>/about.json.
struct About {
  std::string etag, modified;
};

About read_about(const std::filesystem::path& path) {
  std::error_code code;
  if (!std::filesystem::exists(path, code)) return {};
  const auto json = nlohmann::json::parse(read_file(path, 1 << 20), nullptr, false);
  if (!json.is_object()) return {};
  const auto text = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : "";
  };
  return {text("etag"), text("last_modified")};
}

void write_about(const std::filesystem::path& path, const std::string& url, const About& about) {
  write_file(path, nlohmann::json{{"url", printable_url(url)},
                                  {"etag", about.etag},
                                  {"last_modified", about.modified}}
                       .dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// The last part of the path: readers go by its ending.
std::string file_name(const std::string& url) {
  std::string name = printable_url(url);
  name = name.substr(name.rfind('/') + 1);
  std::erase_if(name, [](unsigned char c) {
    return !(std::isalnum(c) || c == '.' || c == '-' || c == '_' || c == '%');
  });
  while (name.starts_with('.')) name.erase(0, 1);
  if (name.size() > 120) name = name.substr(name.size() - 120);
  return name.empty() || name == "about.json" ? "file" : name;
}

class FolderLock {
 public:
  FolderLock(const std::filesystem::path& folder, const std::function<void()>& while_waiting) {
    const auto path = folder / "lock";
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664);
    if (fd_ < 0) {
      throw Error(ErrorKind::kUnavailable,
                  "locking " + path.string() + ": " + std::strerror(errno));
    }
    try {
      while (flock(fd_, LOCK_EX | LOCK_NB) != 0 && (errno == EWOULDBLOCK || errno == EINTR)) {
        while_waiting();
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    } catch (...) {
      close(fd_);
      throw;
    }
  }
  ~FolderLock() { close(fd_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

}  // namespace

std::filesystem::path default_download_cache() { return data_dir() / "downloads"; }

std::filesystem::path download(const std::string& url, const DownloadProgress& progress,
                               const std::filesystem::path& cache) {
  const HubSettings settings = HubSettings::from_environment();
  const std::string doing = "downloading " + printable_url(url);
  if (url_host(url).empty() || (!url.starts_with("http://") && !url.starts_with("https://"))) {
    throw Error(ErrorKind::kInvalidArgument, doing + ": not an http or https address");
  }
  const std::string name = file_name(url);
  const auto folder = cache / sha256_hex(url).substr(0, 32);
  const auto target = folder / name, about_file = folder / "about.json";
  std::uint64_t done = 0, total = 0;
  const auto tell = [&] {
    if (progress && !progress(name, done, total)) {
      throw Error(ErrorKind::kCancelled, doing + ": stopped; the next run goes on");
    }
  };
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) {
    throw Error(ErrorKind::kUnavailable, "making " + folder.string() + ": " + code.message());
  }
  const FolderLock lock(folder, tell);
  const bool have = std::filesystem::exists(target, code);
  if (settings.offline) {
    if (have) return target;
    throw Error(ErrorKind::kUnavailable,
                doing + ": there is no copy of it, and HF_HUB_OFFLINE forbids to ask for it");
  }

  About about = read_about(about_file);
  PartFile part(folder / (name + ".incomplete"), PartFile::kUnknown, !about.etag.empty() && !have);
  int failures = 0;
  while (true) {
    HttpRequest get;
    get.url = url;
    get.headers["Accept-Encoding"] = "identity";
    get.redirects = 8;
    get.connect_timeout_s = settings.download_timeout_s;
    get.idle_timeout_s = settings.download_timeout_s;
    const bool resuming = part.size() > 0;
    if (resuming) {
      get.headers["Range"] = fmt::format("bytes={}-", part.size());
      get.headers["If-Range"] = about.etag;  // else the whole
    } else if (have) {
      if (!about.etag.empty()) get.headers["If-None-Match"] = about.etag;
      if (!about.modified.empty()) get.headers["If-Modified-Since"] = about.modified;
    }
    get.started = [&](const HttpAnswer& answer) {
      part.begin(answer.status, answer.header("content-range"));
      about = {answer.header("etag"), answer.header("last-modified")};
      // Until the copy is whole only a strong etag is worth keeping: it allows to go on with a
      // part.
      if (!have) {
        write_about(about_file, url, {about.etag.starts_with('"') ? about.etag : "", ""});
      }
      const std::string length = answer.header("content-length");
      total = length.empty() ? 0 : part.size() + std::strtoull(length.c_str(), nullptr, 10);
      return true;
    };
    get.sink = [&](std::string_view bytes) {
      part.append(bytes);
      done = part.size();
      tell();
      return true;
    };
    get.keep_going = [&] {
      tell();
      return true;
    };
    const std::uint64_t before = part.size();
    const HttpAnswer answer = http_request(get);
    if (answer.status == 304 && have) return target;
    if (answer.ok() && (answer.status == 200 || answer.status == 206)) break;

    const bool began = answer.status == 200 || answer.status == 206;
    if (part.size() > before) failures = 0;
    if (began && !about.etag.starts_with('"')) part.restart();
    if (answer.status == 416) part.restart();
    const std::int64_t delay = began ? 1000 : retry_delay_ms(answer, failures, 1000);
    const bool again = (began || answer.status == 416 || worth_retrying(answer)) &&
                       ++failures <= kRetries && delay <= kLongestWaitMs;
    // An earlier copy is better than waiting for a server that isn't there.
    if (have && (!answer.problem.empty() || answer.status >= 500) && !began) return target;
    if (!again) {
      const bool gone = answer.status == 404 || answer.status == 410;
      throw Error(gone ? ErrorKind::kNotFound : ErrorKind::kUnavailable,
                  doing + ": " +
                      (answer.problem.empty()
                           ? fmt::format("{} answered {}", url_host(answer.url), answer.status)
                           : answer.problem));
    }
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(delay);
    while (std::chrono::steady_clock::now() < until) {
      tell();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  part.place(target);
  write_about(about_file, url, about);
  done = total = std::filesystem::file_size(target);
  tell();
  return target;
}

}  // namespace pgmmr
