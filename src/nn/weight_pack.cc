#include "nn/weight_pack.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <ostream>
#include <string>
#include <string_view>

#include "base/error.h"
#include "nn/vector.h"

namespace pgmmr {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kPage = 4096;
constexpr std::array<char, 8> kMagic = {'p', 'g', 'm', 'm', 'r', 'w', 'p', '1'};

constexpr std::size_t rounded(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// What a part takes in memory and in the file.
constexpr std::size_t room_for(std::size_t bytes) { return std::max(rounded(bytes, kLine), kLine); }

// What a file begins with; the key and the parts' sizes follow, then from the next page on the
// parts, each at a cache line.
struct Head {
  std::array<char, 8> magic;
  std::uint64_t key_bytes, parts, data_bytes;
  std::uint64_t data_sum, head_sum;  // head_sum: of this with head_sum 0, the key and the sizes
};

// A checksum at the speed of memory: eight sums, each stirred by a multiplication with an odd
// number a word, so that a changed bit anywhere changes the sum, and so does a change of places.
// Against damage, not against malice: who can write here can as well change the program.
class Sum {
 public:
  // The same pieces in the same order give the same sum.
  void add(const std::byte* bytes, std::size_t size);
  std::uint64_t value() const {
    std::uint64_t all = length_;
    for (int lane = 0; lane < 8; ++lane) {
      all = (all ^ lanes_[lane]) * 0x9E3779B97F4A7C15u;
      all ^= all >> 29;
    }
    return all;
  }

 private:
  std::array<std::uint64_t, 8> lanes_ = {1, 2, 3, 4, 5, 6, 7, 8};
  std::uint64_t length_ = 0;
};

typedef std::uint64_t Words __attribute__((vector_size(64)));
typedef std::uint64_t UnalignedWords __attribute__((vector_size(64), aligned(1), may_alias));

PGMMR_CLONES void stir(const std::byte* bytes, std::size_t lines, std::uint64_t* lanes) {
  Words sums[2] = {*reinterpret_cast<const UnalignedWords*>(lanes), {}};
  // The product of a word's halves, each with a constant of its own, is one instruction in AVX2
  // where a full 64-bit product is none; the rotation carries the upper bits back down.
  const auto step = [](Words & sum, const std::byte* from) __attribute__((always_inline)) {
    sum ^= *reinterpret_cast<const UnalignedWords*>(from);
    sum = (sum << 23 | sum >> 41) + (sum & 0xFFFFFFFFu) * 0x9E3779B1u;
  };
  std::size_t i = 0;
  for (; i + 2 <= lines; i += 2) {
    step(sums[0], bytes + i * kLine);
    step(sums[1], bytes + (i + 1) * kLine);
  }
  if (i < lines) step(sums[0], bytes + i * kLine);
  step(sums[0], reinterpret_cast<const std::byte*>(&sums[1]));
  std::memcpy(lanes, &sums[0], sizeof(Words));
}

void Sum::add(const std::byte* bytes, std::size_t size) {
  stir(bytes, size / kLine, lanes_.data());
  length_ += size;
  if (const std::size_t rest = size % kLine; rest > 0) {
    std::array<std::byte, kLine> last{};
    std::memcpy(last.data(), bytes + size - rest, rest);
    stir(last.data(), 1, lanes_.data());
  }
}

std::uint64_t sum_of_head(Head head, const std::string& key,
                          const std::vector<std::size_t>& sizes) {
  head.head_sum = 0;
  std::string all(reinterpret_cast<const char*>(&head), sizeof head);
  all += key;
  all.append(reinterpret_cast<const char*>(sizes.data()), sizes.size() * sizeof(std::size_t));
  Sum sum;
  sum.add(reinterpret_cast<const std::byte*>(all.data()), all.size());
  return sum.value();
}

std::size_t data_begin(const Head& head) {
  return rounded(sizeof(Head) + head.key_bytes + head.parts * sizeof(std::size_t), kPage);
}

// Writes a file in pieces of 2 MB that begin at multiples of it. So Linux keeps it in pages of 2 MB
// where the file system has them (ext4 since 6.16, XFS): a process maps one at once, where it would
// wait for each of 32 times 64 kB, and the CPU finds it in its page tables at once, too.
class PieceWriter {
 public:
  explicit PieceWriter(std::ostream& out) : out_(out) { piece_.reserve(kPiece); }

  void add(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::string_view part = bytes.substr(0, kPiece - piece_.size());
      piece_ += part;
      bytes.remove_prefix(part.size());
      if (piece_.size() == kPiece) flush();
    }
  }
  void flush() {
    out_.write(piece_.data(), static_cast<std::streamsize>(piece_.size()));
    piece_.clear();
  }

 private:
  static constexpr std::size_t kPiece = std::size_t{2} << 20;
  std::ostream& out_;
  std::string piece_;
};

}  // namespace

void WeightPack::Free::operator()(std::byte* p) const noexcept { std::free(p); }

WeightPack::WeightPack(const std::filesystem::path& path, const std::string& key, Check check)
    : file_(std::make_unique<MappedFile>(path)) {
  const std::string_view bytes = file_->bytes();
  const auto refuse = [&](const char* what) {
    throw Error(ErrorKind::kCorrupt, path.string() + ": packed weights: " + what);
  };
  Head head{};
  if (bytes.size() < sizeof head) refuse("the file is too short");
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.magic != kMagic) refuse("the file does not begin as one");
  // Each bound is checked before it is used; a part has at least one cache line.
  if (head.key_bytes != key.size() || head.parts > bytes.size() / kLine ||
      data_begin(head) > bytes.size() || head.data_bytes != bytes.size() - data_begin(head)) {
    refuse("its head does not fit the file, or it was made from other files");
  }
  if (bytes.substr(sizeof head, key.size()) != key) refuse("it was made from other files");
  const std::string_view sizes =
      bytes.substr(sizeof head + key.size(), head.parts * sizeof(std::size_t));
  sizes_.resize(head.parts);
  std::copy(sizes.begin(), sizes.end(), reinterpret_cast<char*>(sizes_.data()));
  if (sum_of_head(head, key, sizes_) != head.head_sum) refuse("its head is damaged");
  offset_ = data_begin(head);
  Sum sum;
  std::size_t at = offset_;
  for (const std::size_t size : sizes_) {
    if (size > bytes.size() - at || room_for(size) > bytes.size() - at) refuse("it is damaged");
    if (check == Check::kAll) {
      sum.add(reinterpret_cast<const std::byte*>(bytes.data()) + at, room_for(size));
    }
    at += room_for(size);
  }
  if (at != bytes.size() || (check == Check::kAll && sum.value() != head.data_sum)) {
    refuse("it is damaged");
  }
}

std::span<const std::byte> WeightPack::part(std::size_t bytes,
                                            const std::function<void(std::span<std::byte>)>& make) {
  const std::size_t room = room_for(bytes);
  if (file_) {
    if (next_ >= sizes_.size() || sizes_[next_] != bytes ||
        room > file_->bytes().size() - offset_) {
      throw Error(ErrorKind::kCorrupt, "packed weights: a part has another size than the model's");
    }
    const auto* begin = reinterpret_cast<const std::byte*>(file_->bytes().data()) + offset_;
    ++next_;
    offset_ += room;
    return {begin, bytes};
  }
  Part part{
      std::unique_ptr<std::byte, Free>(static_cast<std::byte*>(std::aligned_alloc(kLine, room))),
      bytes};
  if (!part.bytes) throw std::bad_alloc();
  std::memset(part.bytes.get(), 0, room);
  make({part.bytes.get(), bytes});
  made_.push_back(std::move(part));
  return {made_.back().bytes.get(), bytes};
}

std::span<const float> WeightPack::floats(std::size_t count,
                                          const std::function<void(std::span<float>)>& make) {
  const auto bytes = part(count * sizeof(float), [&](std::span<std::byte> to) {
    make({reinterpret_cast<float*>(to.data()), count});
  });
  return {reinterpret_cast<const float*>(bytes.data()), count};
}

std::size_t WeightPack::bytes() const {
  if (file_) return file_->bytes().size();
  std::size_t all = 0;
  for (const Part& part : made_) all += room_for(part.size);
  return all;
}

void WeightPack::save(const std::filesystem::path& path, const std::string& key) const {
  std::vector<std::size_t> sizes;
  Sum sum;
  for (const Part& part : made_) {
    sizes.push_back(part.size);
    sum.add(part.bytes.get(), room_for(part.size));
  }
  Head head{kMagic, key.size(), sizes.size(), bytes(), sum.value(), 0};
  head.head_sum = sum_of_head(head, key, sizes);
  std::string front(reinterpret_cast<const char*>(&head), sizeof head);
  front += key;
  front.append(reinterpret_cast<const char*>(sizes.data()), sizes.size() * sizeof(std::size_t));
  front.resize(data_begin(head));

  const std::filesystem::path beside = path.string() + ".part" + std::to_string(getpid());
  std::error_code code;
  {
    std::ofstream out(beside, std::ios::binary | std::ios::trunc);
    PieceWriter pieces(out);
    pieces.add(front);
    for (const Part& part : made_) {
      pieces.add({reinterpret_cast<const char*>(part.bytes.get()), room_for(part.size)});
    }
    pieces.flush();
    out.close();
    if (out) std::filesystem::rename(beside, path, code);
    if (out && !code) return;
  }
  std::error_code ignored;
  std::filesystem::remove(beside, ignored);
  throw Error(ErrorKind::kUnavailable, path.string() + ": cannot be written");
}

}  // namespace pgmmr
