#include "dataset/chunk_cutter.h"

#include "base/file.h"

namespace pgmmr {
namespace {

// FNV-1a, then MurmurHash3's finaliser: FNV's low bits follow the last bytes of a name, and names
// often end alike (".jpg").
std::uint64_t name_hash(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
  return hash ^ (hash >> 33);
}

}  // namespace

bool ChunkCutter::add(std::string_view name, std::string_view identity) {
  content_ += framed(name);
  content_ += framed(identity);
  ++rows_;
  return rows_ >= kMaxRows || (rows_ >= kMinRows && name_hash(name) % kCutEvery == 0);
}

std::string ChunkCutter::finish() {
  const std::string id = sha256_hex(framed(salt_) + content_);
  content_.clear();
  rows_ = 0;
  return id;
}

std::string framed(std::string_view text) {
  return std::to_string(text.size()) + ':' + std::string(text);
}

}  // namespace pgmmr
