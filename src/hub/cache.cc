#include "hub/cache.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/file.h"

namespace pgmmr {
namespace {

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

// Relative, below the root under the rules of Linux and of Windows, and no control characters: a
// cache may lie on a disk that both use.
bool stays_below(const std::string& path) {
  if (path.empty() || path.size() > 4000 || path.front() == '/' || path.back() == '/') return false;
  std::size_t from = 0;
  while (from <= path.size()) {
    const std::size_t to = std::min(path.find_first_of("/\\", from), path.size());
    const std::string_view part(path.data() + from, to - from);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    if (part.size() >= 2 && part[1] == ':') return false;
    from = to + 1;
  }
  return std::none_of(path.begin(), path.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string unique_suffix() {
  static std::atomic<unsigned> count{0};
  return "." + std::to_string(getpid()) + "-" + std::to_string(count++) + ".tmp";
}

}  // namespace

bool is_commit(std::string_view text) { return text.size() == 40 && is_hex(text); }
bool is_sha256(std::string_view text) { return text.size() == 64 && is_hex(text); }

void check_repo_name(const std::string& repo) {
  const auto slash = repo.find('/');
  const auto good = [](std::string_view part) {
    return !part.empty() && part.size() <= 96 && std::all_of(part.begin(), part.end(), word_char) &&
           part.front() != '.' && part.front() != '-' && part.back() != '.' && part.back() != '-';
  };
  const std::string_view text(repo);
  const bool named = slash == std::string::npos
                         ? good(text)
                         : good(text.substr(0, slash)) && good(text.substr(slash + 1));
  if (!named || repo.find("--") != std::string::npos || repo.find("..") != std::string::npos) {
    throw Error(ErrorKind::kInvalidArgument,
                "\"" + repo + "\" is not the name of a repository, expected OWNER/NAME");
  }
}

void check_revision(const std::string& revision) {
  if (!stays_below(revision) || revision.find('\\') != std::string::npos) {
    throw Error(
        ErrorKind::kInvalidArgument,
        "\"" + revision + "\" is not the name of a revision, expected a branch, tag or commit");
  }
}

void check_file_name(const std::string& file) {
  if (!stays_below(file)) {
    throw Error(ErrorKind::kInvalidArgument,
                "\"" + file +
                    "\" is not the name of a file in a repository: it must be a relative "
                    "path that stays below it");
  }
}

std::string check_etag(std::string_view header) {
  if (header.starts_with("W/")) header.remove_prefix(2);
  while (header.starts_with('"')) header.remove_prefix(1);
  while (header.ends_with('"')) header.remove_suffix(1);
  if (header.empty() || header.size() > 200 || header.front() == '.' ||
      !std::all_of(header.begin(), header.end(), word_char)) {
    throw Error(ErrorKind::kCorrupt, "the hub's answer has the etag \"" +
                                         std::string(header.substr(0, 80)) +
                                         "\", expected a digest");
  }
  return std::string(header);
}

std::string_view kind_word(RepoKind kind) {
  return kind == RepoKind::kModel ? "model" : kind == RepoKind::kDataset ? "dataset" : "space";
}

RepoCache::RepoCache(std::filesystem::path cache, RepoKind kind, const std::string& repo)
    : cache_(std::move(cache)) {
  name_ = std::string(kind_word(kind)) + "s--" + repo;
  if (const auto slash = name_.find('/'); slash != std::string::npos) name_.replace(slash, 1, "--");
  folder_ = cache_ / name_;
}

std::filesystem::path RepoCache::pointer(const std::string& commit, const std::string& file) const {
  return folder_ / "snapshots" / commit / file;
}

std::filesystem::path RepoCache::blob(const std::string& etag) const {
  return folder_ / "blobs" / etag;
}

std::filesystem::path RepoCache::tree(const std::string& commit) const {
  return folder_ / "trees" / (commit + ".json");
}

std::optional<std::string> RepoCache::commit_of(const std::string& revision) const {
  if (is_commit(revision)) return revision;
  std::ifstream in(folder_ / "refs" / revision, std::ios::binary);
  std::string commit;
  if (!(in >> commit) || !is_commit(commit)) return std::nullopt;
  return commit;
}

bool RepoCache::has_snapshot(const std::string& commit) const {
  std::error_code code;
  return std::filesystem::is_directory(folder_ / "snapshots" / commit, code);
}

bool RepoCache::known_missing(const std::string& commit, const std::string& file) const {
  std::error_code code;
  return std::filesystem::is_regular_file(folder_ / ".no_exist" / commit / file, code);
}

void RepoCache::note_commit(const std::string& revision, const std::string& commit) const {
  if (revision == commit || commit_of(revision) == commit) return;
  try {
    const auto path = folder_ / "refs" / revision;
    std::filesystem::create_directories(path.parent_path());
    write_file(path, commit);
  } catch (const std::exception&) {
  }
}

void RepoCache::note_missing(const std::string& commit, const std::string& file) const {
  std::error_code code;
  const auto path = folder_ / ".no_exist" / commit / file;
  std::filesystem::create_directories(path.parent_path(), code);
  std::ofstream(path, std::ios::app);
}

void RepoCache::note_tree(const std::string& commit, const std::string& json) const {
  try {
    std::filesystem::create_directories(folder_ / "trees");
    write_file(tree(commit), json);
  } catch (const std::exception&) {
  }
}

void RepoCache::prepare(const std::string& commit, const std::string& file) const {
  std::error_code code;
  for (const auto& needed :
       {folder_ / "blobs", pointer(commit, file).parent_path(), cache_ / ".locks" / name_}) {
    std::filesystem::create_directories(needed, code);
    if (code) {
      throw Error(ErrorKind::kUnavailable, "making the cache's folder " + needed.string() + ": " +
                                               code.message() +
                                               "; set HF_HOME to a folder that can be written");
    }
  }
  const auto tag = cache_ / "CACHEDIR.TAG";
  if (!std::filesystem::exists(tag, code)) {
    // The first line is the standard's signature (bford.info/cachedir).
    std::ofstream(tag) << "Signature: 8a477f597d28d172789f06886806bc55\n"
                          "# This folder is a cache of files from the Hugging Face hub.\n";
  }
}

void RepoCache::link(const std::string& etag, const std::string& commit, const std::string& file,
                     bool symlinks, bool new_blob) const {
  const auto path = pointer(commit, file);
  std::error_code code;
  if (symlinks) {
    const auto target = std::filesystem::path(blob(etag)).lexically_relative(path.parent_path());
    const std::filesystem::path beside = path.string() + unique_suffix();
    std::filesystem::create_symlink(target, beside, code);
    if (!code) {
      std::filesystem::rename(beside, path, code);
      if (!code) return;
      const std::string why = code.message();
      std::filesystem::remove(beside, code);
      throw Error(ErrorKind::kUnavailable, "linking " + path.string() + ": " + why);
    }
  }
  if (new_blob) {
    std::filesystem::rename(blob(etag), path, code);
  } else {
    const std::filesystem::path beside = path.string() + unique_suffix();
    std::filesystem::copy_file(blob(etag), beside, code);
    if (!code) std::filesystem::rename(beside, path, code);
  }
  if (code)
    throw Error(ErrorKind::kUnavailable, "placing " + path.string() + ": " + code.message());
}

RepoCache::Lock::Lock(const RepoCache& cache, const std::string& etag,
                      const std::function<void()>& while_waiting) {
  const auto path = cache.cache_ / ".locks" / cache.name_ / (etag + ".lock");
  while (true) {
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664);
    if (fd_ < 0) {
      throw Error(ErrorKind::kUnavailable,
                  "locking " + path.string() + ": " + std::strerror(errno));
    }
    while (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) {
        close(fd_);
        fd_ = -1;
        return;
      }
      try {
        while_waiting();
      } catch (...) {
        close(fd_);
        throw;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    // Some holders delete the file when they let go: a lock on a deleted file keeps nobody out.
    struct stat mine {
    }, named{};
    if (fstat(fd_, &mine) == 0 && stat(path.c_str(), &named) == 0 && mine.st_ino == named.st_ino &&
        mine.st_dev == named.st_dev) {
      return;
    }
    close(fd_);
  }
}

RepoCache::Lock::~Lock() {
  if (fd_ >= 0) close(fd_);
}

bool agrees_with_etag(const std::filesystem::path& path, const std::string& etag,
                      const std::function<void()>& between_blocks) {
  const bool git = is_commit(etag);
  if (!git && !is_sha256(etag)) return true;
  const auto size = std::filesystem::file_size(path);
  struct Deleter {
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
  };
  const std::unique_ptr<EVP_MD_CTX, Deleter> digest(EVP_MD_CTX_new());
  EVP_DigestInit_ex(digest.get(), git ? EVP_sha1() : EVP_sha256(), nullptr);
  if (git) {
    const std::string head = "blob " + std::to_string(size) + '\0';
    EVP_DigestUpdate(digest.get(), head.data(), head.size());
  }
  std::ifstream in(path, std::ios::binary);
  std::vector<char> block(std::size_t{1} << 20);
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0) {
    EVP_DigestUpdate(digest.get(), block.data(), static_cast<std::size_t>(in.gcount()));
    between_blocks();
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned length = 0;
  EVP_DigestFinal_ex(digest.get(), bytes.data(), &length);
  std::string hex;
  for (unsigned i = 0; i < length; ++i) {
    hex += "0123456789abcdef"[bytes[i] >> 4];
    hex += "0123456789abcdef"[bytes[i] & 15];
  }
  return hex == etag;
}

}  // namespace pgmmr
