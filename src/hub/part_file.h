// A download under way: bytes arrive in <name>.incomplete, a cut one is taken up where it stopped,
// a whole one is renamed into place.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace pgmmr {

class PartFile {
 public:
  static constexpr std::uint64_t kUnknown = UINT64_MAX;

  // Opens what an earlier run left, or starts anew; a part larger than expected is dropped.
  //   expected  bytes of the whole, or kUnknown
  //   throws    Error{kUnavailable} where the folder can't be written or the disk has no room
  //   resume    false drops what is left
  PartFile(std::filesystem::path path, std::uint64_t expected, bool resume = true);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }

  // The head of an answer to "Range: bytes=size()-". A 200, or another range than the one asked
  // for, starts from zero.
  //   throws  Error{kCorrupt} for a range that neither continues nor begins the file
  void begin(int status, const std::string& content_range);
  void append(std::string_view bytes);  // throws Error{kCorrupt} for more than expected
  void restart();                       // from zero; an empty part is removed with the object
  void flush();
  void place(const std::filesystem::path& target);  // the part becomes target

 private:
  std::filesystem::path path_;
  std::uint64_t expected_, size_ = 0;
  int fd_ = -1;
};

// The first byte of "bytes 5-9/10"; -1 for what is not such a header.
std::int64_t range_start(std::string_view content_range);

}  // namespace pgmmr
