#include "base/file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include "base/error.h"

namespace pgmmr {
namespace {

struct DigestDeleter {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void add(std::string_view bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }
  std::string hex() {
    std::array<unsigned char, 32> digest{};
    EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
    std::string text;
    for (const unsigned char byte : digest) {
      text += "0123456789abcdef"[byte >> 4];
      text += "0123456789abcdef"[byte & 15];
    }
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, DigestDeleter> context_;
};

}  // namespace

std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  if (!std::filesystem::exists(status)) {
    throw Error(ErrorKind::kNotFound, path.string() + ": no such file");
  }
  if (std::filesystem::is_directory(status)) {
    throw Error(ErrorKind::kInvalidArgument, path.string() + ": is a folder, expected a file");
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw Error(ErrorKind::kUnavailable,
                path.string() + ": cannot be opened: " + std::strerror(errno));
  }
  std::string bytes;
  std::array<char, 1 << 16> block{};
  while (in.read(block.data(), block.size()) || in.gcount() > 0) {
    bytes.append(block.data(), static_cast<std::size_t>(in.gcount()));
    if (bytes.size() > max_bytes) {
      throw Error(ErrorKind::kInvalidArgument, path.string() + ": larger than the limit of " +
                                                   std::to_string(max_bytes) + " bytes");
    }
  }
  if (in.bad()) throw Error(ErrorKind::kUnavailable, path.string() + ": reading failed");
  return bytes;
}

Replacement::Replacement(const std::filesystem::path& path) : path_(path), target_(path) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
      !std::filesystem::is_directory(status)) {
    part_ = path;
    return;
  }
  if (std::filesystem::is_symlink(path, code)) {
    target_ = std::filesystem::weakly_canonical(path, code);
    if (code) target_ = path;
  }
  part_ = target_.string() + ".part" + std::to_string(getpid());
}

Replacement::~Replacement() {
  if (committed_ || part_ == path_) return;
  std::error_code ignored;
  std::filesystem::remove(part_, ignored);
}

void Replacement::commit() {
  if (part_ != path_) {
    std::error_code code;
    std::filesystem::rename(part_, target_, code);
    if (code) {
      throw Error(ErrorKind::kUnavailable,
                  path_.string() + ": cannot be written: " + code.message());
    }
  }
  committed_ = true;
}

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  Replacement file(path);
  std::ofstream out(file.part(), std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) {
    throw Error(ErrorKind::kUnavailable,
                path.string() + ": cannot be written: " + std::strerror(errno));
  }
  file.commit();
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 digest;
  digest.add(bytes);
  return digest.hex();
}

std::string sha256_hex_of_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(ErrorKind::kNotFound, path.string() + ": cannot be opened");
  Sha256 digest;
  std::array<char, 1 << 16> block{};
  while (in.read(block.data(), block.size()) || in.gcount() > 0) {
    digest.add({block.data(), static_cast<std::size_t>(in.gcount())});
  }
  if (in.bad()) throw Error(ErrorKind::kUnavailable, path.string() + ": reading failed");
  return digest.hex();
}

bool is_utf8(std::string_view bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* end = p + bytes.size();
  while (p < end) {
    if (*p < 0x80) {
      ++p;
      continue;
    }
    const int extra = *p >= 0xF0 ? 3 : *p >= 0xE0 ? 2 : 1;
    if (*p < 0xC2 || *p > 0xF4 || end - p <= extra) return false;
    for (int i = 1; i <= extra; ++i) {
      if ((p[i] & 0xC0) != 0x80) return false;
    }
    if ((*p == 0xE0 && p[1] < 0xA0) || (*p == 0xED && p[1] > 0x9F) || (*p == 0xF0 && p[1] < 0x90) ||
        (*p == 0xF4 && p[1] > 0x8F)) {
      return false;
    }
    p += extra + 1;
  }
  return true;
}

}  // namespace pgmmr
