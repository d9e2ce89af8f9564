#include "clip/byte_pairs.h"

#include <algorithm>
#include <bit>
#include <queue>

namespace pgmmr {
namespace {

constexpr std::int32_t kNone = -1;

// The pieces of a piece, as a doubly linked list in one vector. A symbol that was merged into its
// left neighbour keeps its place with id kNone.
struct Symbol {
  std::int32_t id;
  std::int32_t previous, next;
};

// A pair that could be merged. It is stale once either id at its place has changed.
struct Candidate {
  std::int32_t rank, place;
  std::int32_t left, right, result;

  bool operator<(const Candidate& other) const {  // priority_queue gives the largest first
    return rank != other.rank ? rank > other.rank : place > other.place;
  }
};

}  // namespace

BytePairs::BytePairs(const Symbols& symbols, const std::vector<Merge>& merges)
    : symbols_(symbols),
      targets_(std::bit_ceil(2 * merges.size() + 1), Target{kNone, kNone, kNone, kNone}) {
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right, result] = merges[rank];
    targets_[slot_of(left, right)] = {left, right, static_cast<std::int32_t>(rank), result};
  }
}

std::vector<BytePairs::Merge> BytePairs::merges() const {
  std::vector<Target> used;
  for (const Target& target : targets_) {
    if (target.left != kNone) used.push_back(target);
  }
  std::ranges::sort(used, {}, &Target::rank);
  std::vector<Merge> merges;
  merges.reserve(used.size());
  for (const Target& target : used) merges.push_back({target.left, target.right, target.result});
  return merges;
}

// The pair's slot, or the empty one where it belongs. The multiplier is 2^64 / golden ratio
// (Knuth, The Art of Computer Programming 3, 6.4: Fibonacci hashing).
std::size_t BytePairs::slot_of(std::int32_t left, std::int32_t right) const {
  const std::uint64_t key =
      std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  const std::size_t mask = targets_.size() - 1;
  std::size_t slot = (key * 0x9E3779B97F4A7C15u >> 32) & mask;
  while (targets_[slot].left != kNone &&
         (targets_[slot].left != left || targets_[slot].right != right)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

void BytePairs::append(std::string_view piece, std::vector<std::int32_t>& ids) const {
  if (piece.empty()) return;
  const auto size = static_cast<std::int32_t>(piece.size());
  std::vector<Symbol> symbols(piece.size());
  for (std::int32_t i = 0; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(piece[i]);
    symbols[i] = {i + 1 < size ? symbols_.inner[byte] : symbols_.last[byte], i - 1,
                  i + 1 < size ? i + 1 : kNone};
  }

  std::priority_queue<Candidate> candidates;
  const auto consider = [&](std::int32_t place) {
    if (place == kNone || symbols[place].next == kNone) return;
    const std::int32_t left = symbols[place].id;
    const std::int32_t right = symbols[symbols[place].next].id;
    const Target& target = targets_[slot_of(left, right)];
    if (target.left != kNone) candidates.push({target.rank, place, left, right, target.result});
  };
  for (std::int32_t i = 0; i < size; ++i) consider(i);

  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Symbol& left = symbols[best.place];
    if (left.id != best.left || left.next == kNone || symbols[left.next].id != best.right) continue;
    Symbol& right = symbols[left.next];
    left.id = best.result;
    left.next = right.next;
    right.id = kNone;
    if (left.next != kNone) symbols[left.next].previous = best.place;
    consider(left.previous);
    consider(best.place);
  }
  for (std::int32_t i = 0; i != kNone; i = symbols[i].next) ids.push_back(symbols[i].id);
}

}  // namespace pgmmr
