#include "dataset/hub_dataset.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "dataset/hub_address.h"
#include "dataset/parquet.h"
#include "hub/hub.h"

namespace pgmmr {
namespace {

constexpr const char* kConverted = "refs/convert/parquet";

// What a repository holds instead of Parquet, for the message.
std::string kinds_of(const std::vector<HubFile>& files) {
  const auto count = [&](std::initializer_list<std::string_view> endings) {
    return std::count_if(files.begin(), files.end(), [&](const HubFile& file) {
      return std::any_of(endings.begin(), endings.end(),
                         [&](std::string_view ending) { return file.path.ends_with(ending); });
    });
  };
  return fmt::format("{} files, of them {} tar, {} pictures, {} zip", files.size(),
                     count({".tar", ".tar.gz"}), count({".jpg", ".jpeg", ".png", ".webp"}),
                     count({".zip"}));
}

}  // namespace

std::unique_ptr<Dataset> open_hub_dataset(const std::string& source, const SourceOptions& options) {
  const HubAddress address = parse_hub_address(source);
  const auto hub = std::make_shared<Hub>(HubSettings::from_environment(), options.on_download);
  std::string revision = address.revision.empty() ? "main" : address.revision;
  std::string commit = hub->commit(RepoKind::kDataset, address.repo, revision);
  const auto own = hub->list(RepoKind::kDataset, address.repo, commit);
  std::vector<HubFile> chosen = choose_parquet(address, own);
  if (chosen.empty() && address.revision.empty()) {
    std::vector<HubFile> converted;
    try {
      commit = hub->commit(RepoKind::kDataset, address.repo, kConverted);
      converted = hub->list(RepoKind::kDataset, address.repo, commit);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kNotFound) throw;
    }
    chosen = choose_parquet(address, converted);
  }
  if (chosen.empty()) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("{}: no Parquet files in it, and none made of it by the hub ({}); expected "
                    "Parquet; download it and name the folder instead",
                    to_string(address), kinds_of(own)));
  }
  ParquetDataset::Input input;
  input.source = to_string(address);
  for (const HubFile& file : chosen) input.files.push_back({file.path, file.etag, file.size});
  input.locate = [hub, repo = address.repo, commit](const ParquetFile& file) {
    return std::filesystem::canonical(hub->file(RepoKind::kDataset, repo, file.name, commit));
  };
  input.is_remote = true;
  return std::make_unique<ParquetDataset>(std::move(input), options);
}

}  // namespace pgmmr
