// The tokens that are looked for in the text itself, before it is cut into pieces:
// <|startoftext|>, <|endoftext|>, and what somebody added to a vocabulary.
//
// As the Rust library `tokenizers` does it: leftmost match, longest at the same place, no overlaps.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgmmr {

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool normalized = false;  // looked for after normalising the text, not before
};

class AddedTokens {
 public:
  explicit AddedTokens(std::vector<AddedToken> tokens);

  struct Match {
    std::size_t begin, end;
    std::int32_t id;
  };
  // The first match that begins at `from` or later.
  std::optional<Match> find(std::string_view text, std::size_t from) const;

 private:
  std::vector<AddedToken> tokens_;        // longest first
  std::array<bool, 256> begins_token_{};  // by a token's first byte
};

}  // namespace pgmmr
