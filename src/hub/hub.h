// The Hugging Face hub: names to local files, through the same cache that huggingface_hub keeps.
//
// Follows huggingface_hub's file_download.py and the hub's docs/hub/local-cache.md, so a model that
// Python downloaded is found, and the other way round. Proven against a server in the tests that
// speaks the protocol.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pgmmr {

enum class RepoKind { kModel, kDataset, kSpace };

struct HubSettings {
  std::string endpoint;         // HF_ENDPOINT, else https://huggingface.co; no trailing slash
  std::filesystem::path cache;  // HF_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub,
                                // ~/.cache/huggingface/hub
  std::string token;     // HF_TOKEN, else the file HF_TOKEN_PATH or $HF_HOME/token; empty for none
  bool offline = false;  // HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE in 1, ON, YES, TRUE
  int etag_timeout_s = 10;      // HF_HUB_ETAG_TIMEOUT
  int download_timeout_s = 10;  // HF_HUB_DOWNLOAD_TIMEOUT: of no data, not of the whole
  static HubSettings from_environment();
};

// Called while bytes arrive: the file, bytes so far, bytes in all (0 where unknown). Return false
// to stop.
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
  // digest, retries 429 and 5xx as their headers ask. Without a network a cached file is used.
  //   throws  Error{kNotFound} for a repository, revision or file that isn't there (kUnavailable
  //   where it needs a token),
  //           kUnavailable offline or after the last retry, kCorrupt for a digest that doesn't
  //           agree
  std::filesystem::path file(RepoKind kind, const std::string& repo, const std::string& file,
                             const std::string& revision = "main");

  // As file(), but nothing where the repository has no such file.
  std::optional<std::filesystem::path> file_if_present(RepoKind kind, const std::string& repo,
                                                       const std::string& file,
                                                       const std::string& revision = "main");

  // Files of a repository below a folder ("" for all), sorted by path; from the cache's tree file
  // when offline.
  std::vector<HubFile> list(RepoKind kind, const std::string& repo,
                            const std::string& revision = "main", const std::string& below = "");

 private:
  HubSettings settings_;
  DownloadProgress progress_;
};

struct ModelSnapshot {
  std::filesystem::path
      folder;  // holds config.json, the tokenizer's files, preprocessor_config.json, the weights
  std::string revision;  // commit
};

// Everything an encoder reads of a model, and no more (safetensors; one file or the shards its
// index names).
ModelSnapshot fetch_model(Hub& hub, const std::string& repo, const std::string& revision = "main");

}  // namespace pgmmr
