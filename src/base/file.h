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

// Writes beside the target and renames: readers see the old file or the new one, never a part.
//   throws  Error{kUnavailable}
void write_file(const std::filesystem::path& path, std::string_view bytes);

// SHA-256 as 64 lower-case hex digits (FIPS 180-4, by OpenSSL).
std::string sha256_hex(std::string_view bytes);
std::string sha256_hex_of_file(const std::filesystem::path& path);

// True where the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_utf8(std::string_view bytes);

}  // namespace pgmmr
