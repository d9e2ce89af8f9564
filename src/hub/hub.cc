#include "hub/hub.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "hub/cache.h"
#include "hub/http.h"
#include "hub/hub_place.h"
#include "hub/part_file.h"

namespace pgmmr {
namespace {

// The hub counts requests in windows of five minutes: what asks for more isn't worth the wait.
constexpr std::int64_t kLongestWaitMs = 310'000;

std::string first_line(std::string text, std::size_t most) {
  text = text.substr(0, text.find_first_of("\r\n"));
  std::erase_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (text.size() > most) text = text.substr(0, most) + "...";
  return text;
}

}  // namespace

Hub::Hub(HubSettings settings, DownloadProgress progress)
    : settings_(std::move(settings)), progress_(std::move(progress)) {}

void Hub::report(const std::string& file, std::uint64_t done, std::uint64_t total) const {
  if (progress_ && !progress_(file, done, total)) {
    throw Error(ErrorKind::kCancelled,
                file.empty() ? "stopped" : "fetching " + file + ": stopped; the next run goes on");
  }
}

void Hub::wait(std::int64_t ms, const std::string& file, std::uint64_t done,
               std::uint64_t total) const {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  do {
    report(file, done, total);
    const auto left = until - std::chrono::steady_clock::now();
    std::this_thread::sleep_for(
        std::clamp(std::chrono::duration_cast<std::chrono::milliseconds>(left),
                   std::chrono::milliseconds(0), std::chrono::milliseconds(100)));
  } while (std::chrono::steady_clock::now() < until);
}

HttpAnswer Hub::ask(HttpRequest request, int retries, const std::string& file) {
  request.keep_going = [&] {
    report(file, 0, 0);
    return true;
  };
  request.connect_timeout_s = std::max(settings_.etag_timeout_s, 1);
  request.idle_timeout_s = settings_.download_timeout_s;
  for (int attempt = 0;; ++attempt) {
    HttpAnswer answer = http_request(request);
    if (attempt >= retries || !worth_retrying(answer)) return answer;
    if (answer.unknown_host && attempt >= 1) return answer;  // no network: somebody is waiting
    const std::int64_t delay = retry_delay_ms(answer, attempt, settings_.retry_ms);
    if (delay > kLongestWaitMs) return answer;
    wait(delay, file, 0, 0);
  }
}

void Hub::refuse(const Place& place, const HttpAnswer& answer) const {
  const std::string name = place.name();
  const std::string page = settings_.endpoint + "/" + place.page();
  const std::string code = answer.header("x-error-code");
  const std::string message = first_line(answer.header("x-error-message"), 200);
  const bool has_token = !settings_.token.empty();
  const auto fail = [&](ErrorKind kind, const std::string& why) {
    throw Error(kind, name + ": " + why);
  };
  if (!answer.problem.empty()) {
    fail(ErrorKind::kUnavailable, printable_url(settings_.endpoint) +
                                      " could not be read: " + first_line(answer.problem, 200) +
                                      "; HF_HUB_OFFLINE=1 uses only what is cached in " +
                                      settings_.cache.string());
  }
  if (code == "EntryNotFound") {
    fail(ErrorKind::kNotFound, "the repository has no such file");
  }
  if (code == "RevisionNotFound") {
    fail(ErrorKind::kNotFound, "the repository has no revision \"" + place.revision + "\"");
  }
  if (code == "GatedRepo") {
    fail(ErrorKind::kUnavailable,
         has_token ? "the account of HF_TOKEN has no access: accept its conditions at " + page
                   : "access is gated: accept its conditions at " + page +
                         ", then set HF_TOKEN to a token of that account (" + settings_.endpoint +
                         "/settings/tokens)");
  }
  if (message == "Invalid credentials in Authorization header") {
    fail(ErrorKind::kUnavailable, "the hub does not accept the token in HF_TOKEN: renew it at " +
                                      settings_.endpoint + "/settings/tokens");
  }
  if (message == "Access to this resource is disabled.") {
    fail(ErrorKind::kUnavailable, "the hub has disabled access to it");
  }
  if (code == "RepoNotFound" || answer.status == 401) {
    fail(ErrorKind::kNotFound,
         "no " + place.repository() + " at " + settings_.endpoint +
             (has_token ? ", or the account of HF_TOKEN may not see it"
                        : "; check its name, or set HF_TOKEN where it is private"));
  }
  if (answer.status == 429) {
    fail(ErrorKind::kUnavailable,
         fmt::format("the hub limits how often it is asked: wait {} s{}",
                     std::max<std::int64_t>(retry_delay_ms(answer, 0, 60'000) / 1000, 1),
                     has_token ? "" : ", or set HF_TOKEN, which raises the limit"));
  }
  if (answer.status == 404) {
    fail(ErrorKind::kNotFound, "the hub answered 404 for " + printable_url(answer.url) +
                                   "; is HF_ENDPOINT the address of a hub?");
  }
  fail(ErrorKind::kUnavailable, fmt::format("{} answered {}{}", url_host(answer.url), answer.status,
                                            message.empty() ? "" : ": " + message));
  throw Error(ErrorKind::kInternal, name);  // not reached: fail throws
}

void Hub::refuse_offline(const Place& place) const {
  throw Error(ErrorKind::kUnavailable,
              place.name() + ": not in the cache " + settings_.cache.string() +
                  (settings_.offline ? ", and HF_HUB_OFFLINE forbids to ask the hub"
                                     : ", and the hub could not be reached"));
}

std::filesystem::path Hub::file(RepoKind kind, const std::string& repo, const std::string& file,
                                const std::string& revision) {
  const Place place{kind, repo, file, revision, "fetching"};
  if (auto path = find(place)) return *path;
  if (offline()) refuse_offline(place);
  throw Error(ErrorKind::kNotFound, place.name() + ": the repository has no such file");
}

std::optional<std::filesystem::path> Hub::file_if_present(RepoKind kind, const std::string& repo,
                                                          const std::string& file,
                                                          const std::string& revision) {
  return find({kind, repo, file, revision, "fetching"});
}

std::optional<std::filesystem::path> Hub::cached(const Place& place, bool& known_missing) const {
  const RepoCache cache(settings_.cache, place.kind, place.repo);
  known_missing = false;
  const auto commit = cache.commit_of(place.revision);
  if (!commit) return std::nullopt;
  const auto path = cache.pointer(*commit, place.file);
  std::error_code code;
  if (std::filesystem::exists(path, code)) return path;
  known_missing = cache.known_missing(*commit, place.file);
  return std::nullopt;
}

// Nothing where the repository has no such file; offline also where the cache has others of the
// commit but not this one.
std::optional<std::filesystem::path> Hub::find(const Place& place) {
  check_repo_name(place.repo);
  check_revision(place.revision);
  check_file_name(place.file);
  const RepoCache cache(settings_.cache, place.kind, place.repo);
  bool known_missing = false;
  auto path = cached(place, known_missing);
  if (is_commit(place.revision) && (path || known_missing)) return path;  // commits don't change
  if (offline()) {
    const auto commit = cache.commit_of(place.revision);
    if (path || known_missing || (commit && cache.has_snapshot(*commit))) return path;
    refuse_offline(place);
  }

  const auto source = locate(place, path);
  if (!source) return path;
  const auto pointer = cache.pointer(source->commit, place.file);
  std::error_code code;
  cache.note_commit(place.revision, source->commit);
  if (std::filesystem::exists(pointer, code)) return pointer;
  cache.prepare(source->commit, place.file);
  const auto blob = cache.blob(source->etag);
  const RepoCache::Lock lock(cache, source->etag, [&] { report(place.file, 0, source->size); });
  const bool new_blob = !std::filesystem::exists(blob, code);
  if (new_blob) fetch_blob(place, *source, blob, lock.held());
  if (!std::filesystem::exists(pointer, code)) {
    cache.link(source->etag, source->commit, place.file, settings_.symlinks, new_blob);
  }
  return pointer;
}

// Asks the hub where the file is. Nothing where it has none (fallback is then empty), or where it
// can't say and the cache's copy in fallback must do.
std::optional<Hub::Source> Hub::locate(const Place& place,
                                       std::optional<std::filesystem::path>& fallback) {
  const RepoCache cache(settings_.cache, place.kind, place.repo);
  HttpRequest head;
  head.method = "HEAD";
  head.url = settings_.endpoint + "/" + place.page() + "/resolve/" +
             url_quote(place.revision, false) + "/" + url_quote(place.file, true);
  head.token = settings_.token;
  head.headers["Accept-Encoding"] = "identity";
  head.total_timeout_s = settings_.etag_timeout_s;
  head.redirects = kRedirects;
  head.only_relative_redirects = true;

  // Once, so that a cached file is there at once when the hub isn't; patiently where it must be.
  HttpAnswer answer = ask(head, 0, place.file);
  const auto missing = [](const HttpAnswer& from) {
    const std::string code = from.header("x-error-code");
    return code == "EntryNotFound" || code == "RevisionNotFound";
  };
  if (!answer.ok() && !answer.redirect() && !missing(answer)) {
    if (fallback) {
      if (!answer.problem.empty()) unreachable_ = true;
      return std::nullopt;
    }
    const std::int64_t delay = retry_delay_ms(answer, 0, settings_.retry_ms);
    if (worth_retrying(answer) && delay <= kLongestWaitMs) {
      head.total_timeout_s = std::max(kPatientTimeoutS, settings_.etag_timeout_s);
      wait(delay, place.file, 0, 0);
      answer = ask(head, kRetries - 1, place.file);
    }
  }
  const std::string commit = answer.header("x-repo-commit");
  if (answer.header("x-error-code") == "EntryNotFound") {
    if (is_commit(commit)) {
      cache.note_missing(commit, place.file);
      cache.note_commit(place.revision, commit);
    }
    fallback.reset();
    return std::nullopt;
  }
  if (!answer.ok() && !answer.redirect()) refuse(place, answer);

  Source source;
  source.commit = commit;
  const std::string linked = answer.header("x-linked-etag");
  const std::string etag = linked.empty() ? answer.header("etag") : linked;
  const std::string linked_size = answer.header("x-linked-size");
  const std::string size = !linked_size.empty() ? linked_size
                           : answer.redirect()  ? ""
                                                : answer.header("content-length");
  const bool number = !size.empty() && size.size() < 19 &&
                      size.find_first_not_of("0123456789") == std::string::npos;
  if (!is_commit(commit) || etag.empty() || !number) {
    if (fallback) return std::nullopt;
    throw Error(ErrorKind::kUnavailable,
                place.name() + ": the answer of " + printable_url(answer.url) + " lacks " +
                    (!is_commit(commit) ? "a commit (X-Repo-Commit)"
                     : etag.empty()     ? "an etag"
                                        : "a size") +
                    ": it does not come from a Hugging Face hub; check HF_ENDPOINT and proxies");
  }
  source.etag = check_etag(etag);
  source.size = std::stoull(size);
  source.url = answer.redirect() ? url_resolve(answer.url, answer.header("location")) : answer.url;
  // Another host takes a signed address and must not see the token.
  source.with_token = url_host(source.url) == url_host(settings_.endpoint);
  return source;
}

// The part becomes the blob once its size and digest are right. The lock keeps others from the same
// part; without one it has a name of its own.
void Hub::fetch_blob(const Place& place, const Source& source, const std::filesystem::path& blob,
                     bool locked) {
  const std::string own = locked ? "" : fmt::format(".{:08x}", static_cast<unsigned>(getpid()));
  PartFile part(blob.string() + own + ".incomplete", source.size);
  for (bool resumed = part.size() > 0;; resumed = false) {
    transfer(place, source, part);
    part.flush();
    const auto hashing = [&] { report(place.file, source.size, source.size); };
    if (agrees_with_etag(part.path(), source.etag, hashing)) return part.place(blob);
    part.restart();
    if (resumed) continue;  // what an earlier run left may be to blame
    throw Error(ErrorKind::kCorrupt, place.name() + ": what arrived does not have the digest " +
                                         source.etag + " that the hub announced");
  }
}

void Hub::transfer(const Place& place, Source source, PartFile& part) {
  bool located_again = false;
  int failures = 0;
  const auto tell = [&] { report(place.file, part.size(), source.size); };
  if (source.size > 0 && part.size() == source.size) return tell();
  while (true) {
    HttpRequest get;
    get.url = source.url;
    if (source.with_token) get.token = settings_.token;
    get.headers["Accept-Encoding"] = "identity";
    if (part.size() > 0) get.headers["Range"] = "bytes=" + std::to_string(part.size()) + "-";
    get.redirects = kRedirects;
    get.connect_timeout_s = settings_.download_timeout_s;
    get.idle_timeout_s = settings_.download_timeout_s;
    get.started = [&](const HttpAnswer& answer) {
      part.begin(answer.status, answer.header("content-range"));
      return true;
    };
    get.sink = [&](std::string_view bytes) {
      part.append(bytes);
      tell();
      return true;
    };
    get.keep_going = [&] {
      tell();
      return true;
    };
    const std::uint64_t before = part.size();
    const HttpAnswer answer = http_request(get);
    if (answer.ok() && part.size() == source.size) return;

    const bool began = answer.status == 200 || answer.status == 206;
    if (part.size() > before) failures = 0;  // it moves: only attempts without a byte count
    if (answer.status == 416 || answer.ok()) {
      part.restart();  // the server's idea of the size differs from what is here
    } else if (!began && !worth_retrying(answer)) {
      // A signed address may run out while a large file is fetched: ask for a new one, once.
      if (source.with_token || located_again) refuse(place, answer);
      located_again = true;
      std::optional<std::filesystem::path> none;
      const auto again = locate(place, none);
      if (!again || again->etag != source.etag) refuse(place, answer);
      source = *again;
      continue;
    }
    const std::int64_t delay =
        began ? settings_.retry_ms : retry_delay_ms(answer, failures, settings_.retry_ms);
    if (++failures > kRetries || delay > kLongestWaitMs) {
      if (!answer.ok()) refuse(place, answer);
      throw Error(ErrorKind::kCorrupt, fmt::format("{}: the body is not the {} bytes announced",
                                                   place.name(), source.size));
    }
    wait(delay, place.file, part.size(), source.size);
  }
}

}  // namespace pgmmr
