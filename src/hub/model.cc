// Which files of a model's repository an encoder reads.
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/settings.h"
#include "hub/cache.h"
#include "hub/hub.h"

namespace pgmmr {
namespace {

constexpr std::string_view kPickle = "pytorch_model.bin";

std::set<std::string> shards(const std::filesystem::path& index, const std::string& repo) {
  const auto refuse = [&](const std::string& why) {
    return Error(ErrorKind::kCorrupt,
                 "fetching model " + repo + ", " + index.filename().string() + ": " + why);
  };
  const auto json = nlohmann::json::parse(read_file(index, std::size_t{64} << 20), nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    throw refuse("expected an object with \"weight_map\"");
  }
  std::set<std::string> files;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string()) throw refuse("the file of \"" + tensor + "\" is not a string");
    const auto name = file.get<std::string>();
    if (!name.ends_with(".safetensors") || name.find('/') != std::string::npos) {
      throw refuse("\"" + name + "\" is not a safetensors file beside it");
    }
    files.insert(name);
    if (files.size() > 1000) throw refuse("it names more than 1000 files");
  }
  return files;
}

// True where the commit has safetensors, which then are in the cache.
bool fetch_weights(Hub& hub, const std::string& repo, const std::string& commit) {
  if (hub.file_if_present(RepoKind::kModel, repo, "model.safetensors", commit)) return true;
  const auto index =
      hub.file_if_present(RepoKind::kModel, repo, "model.safetensors.index.json", commit);
  if (!index) return false;
  for (const auto& shard : shards(*index, repo)) hub.file(RepoKind::kModel, repo, shard, commit);
  return true;
}

std::string etag_of(const std::vector<HubFile>& files, std::string_view path) {
  for (const auto& file : files) {
    if (file.path == path) return file.etag;
  }
  return "";
}

// The commit whose safetensors the hub's conversion service made from this very pytorch_model.bin;
// empty where there is none. transformers asks for the same author and title
// (safetensors_conversion.py); the digest of the pickle is our addition, so that a conversion of
// older weights isn't taken.
std::string converted_commit(Hub& hub, const std::string& repo, const std::string& pickle_etag) {
  for (const auto& revision :
       hub.pull_requests(repo, "SFconvertbot", "Adding `safetensors` variant of this model")) {
    const auto commit = hub.commit(RepoKind::kModel, repo, revision);
    const auto files = hub.list(RepoKind::kModel, repo, commit);
    const bool converted = !etag_of(files, "model.safetensors").empty() ||
                           !etag_of(files, "model.safetensors.index.json").empty();
    if (converted && etag_of(files, kPickle) == pickle_etag) return commit;
  }
  return "";
}

bool whole(const std::filesystem::path& folder) {
  std::error_code code;
  if (!std::filesystem::is_directory(folder, code)) return false;
  for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
    if (!std::filesystem::exists(entry.path(), code)) return false;  // a link to what is gone
  }
  return !code;
}

// A folder with the links of two snapshots: all of the commit's, and the weights of the other.
void join(const std::filesystem::path& folder, const std::filesystem::path& snapshot,
          const std::filesystem::path& weights) {
  std::error_code code;
  const std::filesystem::path beside = folder.string() + fmt::format(".{}.tmp", getpid());
  std::filesystem::remove_all(beside, code);
  std::filesystem::create_directories(beside, code);
  const auto link = [&](const std::filesystem::path& from, bool weight) {
    for (const auto& entry : std::filesystem::directory_iterator(from, code)) {
      const std::string name = entry.path().filename().string();
      const bool is_weight = name.ends_with(".safetensors") || name.ends_with(".index.json");
      if (is_weight != weight || code) continue;
      std::filesystem::create_symlink(std::filesystem::absolute(entry.path()), beside / name, code);
      if (code) return;
    }
  };
  if (!code) link(snapshot, false);
  if (!code) link(weights, true);
  if (!code) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    std::filesystem::rename(beside, folder, code);
  }
  if (code) {
    std::error_code ignored;
    std::filesystem::remove_all(beside, ignored);
    throw Error(ErrorKind::kUnavailable,
                "making the model's folder " + folder.string() + ": " + code.message());
  }
}

}  // namespace

ModelSnapshot fetch_model(Hub& hub, const std::string& repo, const std::string& revision) {
  const auto fetch = [&](const char* file, const std::string& at) {
    return hub.file(RepoKind::kModel, repo, file, at);
  };
  const auto offer = [&](const char* file, const std::string& at) {
    return hub.file_if_present(RepoKind::kModel, repo, file, at).has_value();
  };
  // One look-up finds the commit; everything else is asked of that commit, so the files belong
  // together and those in the cache cost no request.
  const auto config = fetch("config.json", revision);
  const auto folder = config.parent_path();
  const std::string commit = folder.filename().string();
  offer("preprocessor_config.json", commit);
  if (!offer("tokenizer.json", commit)) {
    fetch("vocab.json", commit);
    fetch("merges.txt", commit);
  }
  if (fetch_weights(hub, repo, commit)) return {folder, commit};

  std::string name = repo;
  if (const auto slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  const auto joined = data_dir() / "models" / (name + "@" + commit);
  if (whole(joined)) return {joined, commit};
  if (hub.offline()) {
    throw Error(ErrorKind::kUnavailable,
                "fetching model " + repo +
                    ": its weights are not in the "
                    "cache " +
                    hub.settings().cache.string() + ", and the hub " +
                    (hub.settings().offline ? "may not be asked (HF_HUB_OFFLINE)"
                                            : "could not be reached"));
  }
  const auto pickle = etag_of(hub.list(RepoKind::kModel, repo, commit), kPickle);
  if (pickle.empty()) {
    throw Error(ErrorKind::kUnsupported, "fetching model " + repo +
                                             ": it has no model.safetensors, nor shards with "
                                             "model.safetensors.index.json");
  }
  const auto converted = converted_commit(hub, repo, pickle);
  if (converted.empty()) {
    throw Error(ErrorKind::kUnsupported,
                "fetching model " + repo +
                    ": it has only pytorch_model.bin, which is not read "
                    "because such a file can run code; name a revision that has model.safetensors "
                    "(often refs/pr/N, see " +
                    hub.settings().endpoint + "/" + repo + "/discussions), or another model");
  }
  fetch_weights(hub, repo, converted);
  const RepoCache cache(hub.settings().cache, RepoKind::kModel, repo);
  join(joined, folder, cache.pointer(converted, "x").parent_path());
  return {joined, commit};
}

}  // namespace pgmmr
