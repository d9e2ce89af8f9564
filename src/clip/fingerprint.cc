#include "clip/fingerprint.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <map>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/settings.h"

namespace pgmmr {
namespace {

// Files this small are read at once rather than looked up.
constexpr std::uintmax_t kSmall = 128 << 10;

bool is_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::string file_identity(const std::filesystem::path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    throw Error(ErrorKind::kNotFound, path.string() + ": cannot be read");
  }
  return fmt::format("{}\n{} {} {} {}.{:09} {}.{:09}\n", std::filesystem::canonical(path).string(),
                     status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

std::string file_digest(const std::filesystem::path& path) {
  std::error_code code;
  if (std::filesystem::file_size(path, code) <= kSmall && !code) return sha256_hex_of_file(path);
  const std::string before = file_identity(path);
  std::filesystem::path kept;
  try {
    kept = data_dir() / "digests" / sha256_hex(std::filesystem::canonical(path).string());
    const std::string text = read_file(kept, 64 << 10);
    if (text.starts_with(before) && is_digest(std::string_view(text).substr(before.size()))) {
      return text.substr(before.size());
    }
  } catch (const Error&) {
    // Nothing kept, or nowhere to keep it: the file itself always knows.
  }
  const std::string digest = sha256_hex_of_file(path);
  try {
    if (!kept.empty() && file_identity(path) == before) {
      std::filesystem::create_directories(kept.parent_path(), code);
      write_file(kept, before + digest);
    }
  } catch (const Error&) {
    // A read-only data folder costs time, not the answer.
  }
  return digest;
}

std::string model_fingerprint(const std::filesystem::path& folder,
                              const std::vector<std::filesystem::path>& weight_files) {
  std::map<std::string, std::filesystem::path> files;  // by name: the order is part of the digest
  // What the encoder reads and no more: the same model has the same fingerprint whether its folder
  // came from the hub's cache, which may hold a part, or from a full copy.
  std::vector<const char*> names{"config.json", "preprocessor_config.json", "tokenizer.json"};
  if (!std::filesystem::exists(folder / "tokenizer.json")) {
    names.insert(names.end(), {"vocab.json", "merges.txt"});
  }
  for (const char* name : names) {
    if (std::filesystem::exists(folder / name)) files[name] = folder / name;
  }
  for (const auto& path : weight_files) files[path.filename().string()] = path;
  std::string all;
  for (const auto& [name, path] : files) all += name + '\0' + file_digest(path) + '\n';
  return sha256_hex(all);
}

}  // namespace pgmmr
