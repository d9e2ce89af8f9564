#include "nn/weight_pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "support/places.h"

namespace pgmmr {
namespace {

// A few parts of awkward sizes, part i full of bytes i + 1.
constexpr std::size_t kSizes[] = {1, 64, 65, 0, 5000, 127};

void make_parts(WeightPack& pack, int& made) {
  for (std::size_t i = 0; i < std::size(kSizes); ++i) {
    const auto part = pack.part(kSizes[i], [&](std::span<std::byte> to) {
      ++made;
      std::ranges::fill(to, static_cast<std::byte>(i + 1));
    });
    EXPECT_EQ(part.size(), kSizes[i]);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(part.data()) % 64, 0u);
    EXPECT_TRUE(std::ranges::all_of(
        part, [&](std::byte byte) { return byte == static_cast<std::byte>(i + 1); }));
  }
}

class WeightPackOnDisk : public testing::Test {
 protected:
  WeightPackOnDisk() {
    WeightPack pack;
    int made = 0;
    make_parts(pack, made);
    pack.save(path_, "key");
    bytes_ = read_file(path_);
  }
  bool opens() const {
    try {
      WeightPack pack(path_, "key");
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCorrupt) << error.what();
      return false;
    }
  }

  test::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "x.pack";
  std::string bytes_;
};

TEST_F(WeightPackOnDisk, GivesThePartsBackWithoutMakingThem) {
  int made = 0;
  WeightPack pack(path_, "key");
  WeightPack moved = std::move(pack);
  make_parts(moved, made);
  EXPECT_EQ(made, 0);
}

TEST(WeightPack, KeepsPartsThatAreLargerThanAPieceOfTheFile) {
  const test::TemporaryFolder folder;
  constexpr std::size_t kLarge = (std::size_t{5} << 20) + 12345;
  const auto make = [](std::span<std::byte> to) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<std::byte>(i * 7 + (i >> 12));
  };
  WeightPack pack;
  std::vector<std::byte> small(100), large(kLarge);
  make(small);
  make(large);
  for (const std::size_t size : {small.size(), kLarge, small.size()}) pack.part(size, make);
  pack.save(folder.path() / "x.pack", "key");
  WeightPack again(folder.path() / "x.pack", "key");
  const auto nothing = [](std::span<std::byte>) { ADD_FAILURE() << "made again"; };
  EXPECT_TRUE(std::ranges::equal(again.part(small.size(), nothing), small));
  EXPECT_TRUE(std::ranges::equal(again.part(kLarge, nothing), large));
  EXPECT_TRUE(std::ranges::equal(again.part(small.size(), nothing), small));
}

TEST_F(WeightPackOnDisk, RefusesPartsOfAnotherModel) {
  WeightPack pack(path_, "key");
  const auto nothing = [](std::span<std::byte>) {};
  EXPECT_THROW(pack.part(2, nothing), Error);
  WeightPack other(path_, "key");
  for (const std::size_t size : kSizes) other.part(size, nothing);
  EXPECT_THROW(other.part(1, nothing), Error);
}

TEST_F(WeightPackOnDisk, IsRefusedUnderAnotherKey) {
  EXPECT_TRUE(opens());
  for (const char* key : {"kez", "ke", "key2", ""}) EXPECT_THROW(WeightPack(path_, key), Error);
}

TEST_F(WeightPackOnDisk, IsRefusedWithAnyBitChanged) {
  // Much of the head, and a sample of the parts.
  constexpr std::size_t kHead = 48 + 3 + 8 * std::size(kSizes);
  for (std::size_t at = 0; at < bytes_.size(); at += at < kHead ? 7 : at < 4096 ? 1 : 61) {
    if (at >= kHead && at < 4096) continue;  // what fills the head's page
    std::string damaged = bytes_;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    write_file(path_, damaged);
    EXPECT_FALSE(opens()) << "byte " << at;
  }
}

TEST_F(WeightPackOnDisk, IsRefusedWhenItIsCutOrLonger) {
  for (std::size_t size = 0; size < bytes_.size(); size += size < 200 ? 1 : 333) {
    write_file(path_, std::string_view(bytes_).substr(0, size));
    EXPECT_FALSE(opens()) << size;
  }
  write_file(path_, bytes_ + std::string(64, '\0'));
  EXPECT_FALSE(opens());
}

TEST_F(WeightPackOnDisk, IsRefusedWithPartsExchanged) {
  std::string damaged = bytes_;
  std::swap_ranges(damaged.end() - 128, damaged.end() - 64, damaged.end() - 64);
  ASSERT_NE(damaged, bytes_);
  write_file(path_, damaged);
  EXPECT_FALSE(opens());
}

TEST_F(WeightPackOnDisk, AllocatesNothingFromABadNumber) {
  for (std::size_t word = 1; word < 7; ++word) {
    std::string damaged = bytes_;
    std::memset(damaged.data() + word * 8, 0xFF, 8);
    write_file(path_, damaged);
    EXPECT_FALSE(opens()) << "word " << word;
  }
}

TEST(WeightPack, SaysWhereItCannotBeWritten) {
  EXPECT_THROW(WeightPack().save("/nonexistent/x.pack", "key"), Error);
  EXPECT_THROW(WeightPack("/nonexistent/x.pack", "key"), Error);
}

}  // namespace
}  // namespace pgmmr
