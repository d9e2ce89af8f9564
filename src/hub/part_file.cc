#include "hub/part_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/error.h"

namespace pgmmr {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* doing) {
  throw Error(ErrorKind::kUnavailable,
              std::string(doing) + " " + path.string() + ": " + std::strerror(errno));
}

}  // namespace

PartFile::PartFile(std::filesystem::path path, std::uint64_t expected, bool resume)
    : path_(std::move(path)), expected_(expected) {
  fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd_ < 0) fail(path_, "opening");
  struct stat status {};
  if (fstat(fd_, &status) == 0) size_ = static_cast<std::uint64_t>(status.st_size);
  if (!resume || size_ > expected_) restart();
  if (lseek(fd_, 0, SEEK_END) < 0) fail(path_, "reading");
  std::error_code code;
  const auto space = std::filesystem::space(path_.parent_path(), code);
  if (!code && expected_ != kUnknown && space.available < expected_ - size_) {
    throw Error(ErrorKind::kUnavailable,
                fmt::format("writing {}: {:.0f} MB are needed, the disk has {:.0f} MB free",
                            path_.string(), static_cast<double>(expected_ - size_) / 1e6,
                            static_cast<double>(space.available) / 1e6));
  }
}

PartFile::~PartFile() {
  if (fd_ >= 0) close(fd_);
  std::error_code code;
  if (size_ == 0) std::filesystem::remove(path_, code);  // nothing to take up again
}

void PartFile::restart() {
  if (ftruncate(fd_, 0) != 0 || lseek(fd_, 0, SEEK_SET) < 0) fail(path_, "emptying");
  size_ = 0;
}

void PartFile::begin(int status, const std::string& content_range) {
  if (status != 206) return restart();
  const std::int64_t start = range_start(content_range);
  if (start == 0) restart();
  if (start != static_cast<std::int64_t>(size_)) {
    throw Error(ErrorKind::kCorrupt,
                fmt::format("{}: the server sent the range \"{}\", asked from {}", path_.string(),
                            content_range.substr(0, 60), size_));
  }
}

void PartFile::append(std::string_view bytes) {
  if (bytes.size() > expected_ - size_) {
    restart();
    throw Error(ErrorKind::kCorrupt, fmt::format("{}: more bytes arrive than the {} announced",
                                                 path_.string(), expected_));
  }
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail(path_, "writing");
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
    size_ += static_cast<std::uint64_t>(written);
  }
}

void PartFile::flush() {
  if (fdatasync(fd_) != 0 && errno != EINVAL) fail(path_, "writing");
}

void PartFile::place(const std::filesystem::path& target) {
  flush();
  if (rename(path_.c_str(), target.c_str()) != 0) fail(target, "placing");
  close(fd_);
  fd_ = -1;
  size_ = 1;  // the destructor leaves the name alone
}

std::int64_t range_start(std::string_view header) {
  if (!header.starts_with("bytes ")) return -1;
  header.remove_prefix(6);
  std::int64_t start = -1;
  const auto [end, code] = std::from_chars(header.data(), header.data() + header.size(), start);
  if (code != std::errc() || end == header.data() + header.size() || *end != '-') return -1;
  return start;
}

}  // namespace pgmmr
