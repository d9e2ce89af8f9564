#include "clip/byte_pairs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <utility>

namespace pgmmr {
namespace {

// Bytes a, b, c ... are ids 0, 1, 2 ...; at the end of a piece 26 more.
BytePairs::Symbols letters() {
  BytePairs::Symbols symbols{};
  for (int byte = 0; byte < 256; ++byte) {
    symbols.inner[byte] = byte >= 'a' && byte <= 'z' ? byte - 'a' : 1000 + byte;
    symbols.last[byte] = byte >= 'a' && byte <= 'z' ? byte - 'a' + 26 : 2000 + byte;
  }
  return symbols;
}

// The definition: as long as there is a pair with a merge, merge the leftmost of the lowest rank.
std::vector<std::int32_t> merge_plainly(const std::vector<BytePairs::Merge>& merges,
                                        std::string_view piece) {
  const auto symbols = letters();
  std::vector<std::int32_t> ids;
  for (const char c : piece) ids.push_back(symbols.inner[static_cast<unsigned char>(c)]);
  ids.back() = symbols.last[static_cast<unsigned char>(piece.back())];
  for (;;) {
    std::size_t best_rank = merges.size(), best_place = 0;
    for (std::size_t place = 0; place + 1 < ids.size(); ++place) {
      for (std::size_t rank = 0; rank < best_rank; ++rank) {
        if (merges[rank].left == ids[place] && merges[rank].right == ids[place + 1]) {
          best_rank = rank;
          best_place = place;
        }
      }
    }
    if (best_rank == merges.size()) return ids;
    ids[best_place] = merges[best_rank].result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best_place) + 1);
  }
}

TEST(BytePairs, EqualThePlainLoopOnRandomMerges) {
  std::mt19937 random(20211);
  const auto below = [&](int bound) {
    return static_cast<std::int32_t>(random() % static_cast<unsigned>(bound));
  };
  for (int round = 0; round < 300; ++round) {
    // Few letters and results that are used again, so that merges meet and overlap.
    std::vector<std::int32_t> known{0, 1, 2, 26, 27, 28};
    std::map<std::pair<int, int>, bool> seen;
    std::vector<BytePairs::Merge> merges;
    for (int i = 0; i < 25; ++i) {
      const std::int32_t left = known[below(static_cast<int>(known.size()))];
      const std::int32_t right = known[below(static_cast<int>(known.size()))];
      if (!std::exchange(seen[{left, right}], true)) {
        merges.push_back({left, right, 100 + below(12)});
        known.push_back(merges.back().result);
      }
    }
    std::shuffle(merges.begin(), merges.end(), random);
    const BytePairs pairs(letters(), merges);
    for (int length = 1; length < 60; ++length) {
      std::string piece;
      for (int i = 0; i < length; ++i) piece += static_cast<char>('a' + below(3));
      std::vector<std::int32_t> ids;
      pairs.append(piece, ids);
      ASSERT_EQ(ids, merge_plainly(merges, piece)) << piece << " in round " << round;
    }
  }
}

TEST(BytePairs, TakeTheLaterPlaceOfAPairThatComesTwice) {
  const BytePairs pairs(letters(), {{0, 1, 100}, {1, 28, 101}, {0, 1, 102}});
  std::vector<std::int32_t> ids;
  pairs.append("abc", ids);
  EXPECT_EQ(ids, (std::vector<std::int32_t>{0, 101}));
}

TEST(BytePairs, LeaveSymbolsWithoutMergesAlone) {
  const BytePairs pairs(letters(), {});
  std::vector<std::int32_t> ids{7};
  pairs.append("abc", ids);
  pairs.append("", ids);
  EXPECT_EQ(ids, (std::vector<std::int32_t>{7, 0, 1, 28}));
}

}  // namespace
}  // namespace pgmmr
