// Normalised text cut into the pieces that byte pairs are merged in: words, digits, punctuation.
//
// The pre-tokenizer of CLIP's tokenizer.json, first alternative wins:
//   's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
#pragma once

#include <cstddef>
#include <string_view>

namespace pgmmr {

class TextPieces {
 public:
  //   normalised           UTF-8, which must outlive this
  //   with_special_tokens  the pattern has <\|startoftext\|>|<\|endoftext\|> in front, as in
  //   OpenAI's
  //                        own files. What matches there can only come from other letter case, and
  //                        the byte-level step cuts it once more; so it comes as <| name |>.
  TextPieces(std::string_view normalised, bool with_special_tokens)
      : text_(normalised), with_special_tokens_(with_special_tokens) {}

  // The next piece, which points into the text; empty at the end.
  std::string_view next();

 private:
  std::string_view take(std::size_t size);

  std::string_view text_;  // what is left
  bool with_special_tokens_;
  std::size_t special_left_ = 0;  // bytes of a special token whose <| has been taken
};

}  // namespace pgmmr
