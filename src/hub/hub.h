// The Hugging Face hub: names to local files, through the same cache that huggingface_hub keeps.
//
// Follows huggingface_hub's file_download.py and the hub's docs/hub/local-cache.md, so a model that
// Python downloaded is found, and the other way round. Proven against a server in the tests that
// speaks the protocol.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pgmmr {

struct HttpAnswer;
struct HttpRequest;
class PartFile;

enum class RepoKind { kModel, kDataset, kSpace };

struct HubSettings {
  std::string endpoint;         // HF_ENDPOINT, else https://huggingface.co; no trailing slash
  std::filesystem::path cache;  // HF_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub,
                                // ~/.cache/huggingface/hub
  std::string token;     // HF_TOKEN, else the file HF_TOKEN_PATH or $HF_HOME/token; empty for none
  bool offline = false;  // HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE in 1, ON, YES, TRUE
  bool symlinks = true;  // not HF_HUB_DISABLE_SYMLINKS
  int etag_timeout_s = 10;      // HF_HUB_ETAG_TIMEOUT
  int download_timeout_s = 10;  // HF_HUB_DOWNLOAD_TIMEOUT: of no data, not of the whole
  int retry_ms = 1000;  // before the first of five more attempts, doubling up to 8 times that
  static HubSettings from_environment();
};

// Called while bytes arrive and a few times a second while waiting: the file (empty for a look-up),
// bytes so far, bytes in all (0 where unknown). Return false to stop: Error{kCancelled} follows.
using DownloadProgress =
    std::function<bool(const std::string& file, std::uint64_t done, std::uint64_t total)>;

struct HubFile {
  std::string path;
  std::uint64_t size = 0;
  std::string etag;  // git or LFS digest
};

// One hub, one cache. Processes and threads may share the cache: files are locked, written beside
// and renamed.
class Hub {
 public:
  explicit Hub(HubSettings settings = HubSettings::from_environment(),
               DownloadProgress progress = {});

  // The file in the cache, downloaded where it isn't:
  // <cache>/models--org--name/snapshots/<commit>/<file>. Resumes a cut download, checks size and
  // digest, retries 429 and 5xx as their headers ask. Without a network a cached file is used; with
  // a commit as revision a cached file costs no request.
  //   throws  Error{kNotFound} for a repository, revision or file that isn't there (kUnavailable
  //   where it needs a token),
  //           kUnavailable offline or after the last retry, kCorrupt for a digest that doesn't
  //           agree, kInvalidArgument for names that are none
  std::filesystem::path file(RepoKind kind, const std::string& repo, const std::string& file,
                             const std::string& revision = "main");

  // As file(), but nothing where the repository has no such file.
  std::optional<std::filesystem::path> file_if_present(RepoKind kind, const std::string& repo,
                                                       const std::string& file,
                                                       const std::string& revision = "main");

  // The commit that a branch, tag or refs/… names now; the cache's when the hub can't be asked.
  std::string commit(RepoKind kind, const std::string& repo, const std::string& revision = "main");

  // Files of a repository below a folder ("" for all), sorted by path; from the cache's tree file
  // when offline. file() takes commit() as revision to read what was listed.
  std::vector<HubFile> list(RepoKind kind, const std::string& repo,
                            const std::string& revision = "main", const std::string& below = "");

  // Revisions refs/pr/N of a model's open pull requests by this author with this title.
  std::vector<std::string> pull_requests(const std::string& repo, const std::string& author,
                                         const std::string& title);

  const HubSettings& settings() const { return settings_; }
  bool offline() const { return settings_.offline || unreachable_; }

 private:
  struct Place;  // of a file: repository, revision and how messages name it
  struct Source;

  std::optional<std::filesystem::path> find(const Place& place);
  std::optional<std::filesystem::path> cached(const Place& place, bool& known_missing) const;
  std::optional<Source> locate(const Place& place, std::optional<std::filesystem::path>& fallback);
  void fetch_blob(const Place& place, const Source& source, const std::filesystem::path& blob,
                  bool locked);
  void transfer(const Place& place, Source source, PartFile& part);
  HttpAnswer ask(HttpRequest request, int retries, const std::string& file);
  std::string api(const Place& place, const std::string& url, std::string* next);
  void wait(std::int64_t ms, const std::string& file, std::uint64_t done,
            std::uint64_t total) const;
  void report(const std::string& file, std::uint64_t done, std::uint64_t total) const;
  [[noreturn]] void refuse(const Place& place, const HttpAnswer& answer) const;
  [[noreturn]] void refuse_offline(const Place& place) const;

  HubSettings settings_;
  DownloadProgress progress_;
  std::atomic<bool> unreachable_ = false;  // no connection, while the cache had the file
};

struct ModelSnapshot {
  std::filesystem::path
      folder;  // holds config.json, the tokenizer's files, preprocessor_config.json, the weights
  std::string revision;  // commit
};

// Everything an encoder reads of a model, and no more (safetensors; one file or the shards its
// index names). Where a repository has only pytorch_model.bin, the weights come from the pull
// request that the hub's own conversion service opened for the same file, as transformers does it;
// the folder is then one of ours under data_dir()/models that links to the cache.
//   throws  as Hub::file; Error{kUnsupported} where there are no safetensors at all
ModelSnapshot fetch_model(Hub& hub, const std::string& repo, const std::string& revision = "main");

}  // namespace pgmmr
