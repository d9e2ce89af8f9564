// Whole files and digests: bytes on disk in, strings out, with errors that name the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace pgmmr {

// The whole file.
//   throws  Error{kNotFound} where there is none, kInvalidArgument for a folder or a file above
//   max_bytes,
//           kUnavailable where reading fails
std::string read_file(const std::filesystem::path& path,
                      std::size_t max_bytes = std::size_t{1} << 30);

// A file that is written beside its target and then renamed: readers see the old one or the new
// one, never a part. What a symbolic link names is replaced, not the link. A device or a pipe is
// written to as it is: renamed over, /dev/null would be a file from then on.
class Replacement {
 public:
  explicit Replacement(const std::filesystem::path& path);
  ~Replacement();  // removes what was not committed
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  const std::filesystem::path& part() const { return part_; }  // write and close this
  //   throws  Error{kUnavailable}
  void commit();

 private:
  std::filesystem::path path_, target_, part_;
  bool committed_ = false;
};

// The whole of a Replacement.
//   throws  Error{kUnavailable}
void write_file(const std::filesystem::path& path, std::string_view bytes);

// SHA-256 as 64 lower-case hex digits (FIPS 180-4, by OpenSSL).
std::string sha256_hex(std::string_view bytes);
std::string sha256_hex_of_file(const std::filesystem::path& path);

// True where the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_utf8(std::string_view bytes);

}  // namespace pgmmr
