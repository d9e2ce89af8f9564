#include "clip/text_pieces.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <cstdint>

namespace pgmmr {
namespace {

enum class Class { kSpace, kLetter, kNumber, kOther };

Class class_of(UChar32 c) {
  const std::uint32_t category = U_GET_GC_MASK(c);
  if (category & U_GC_L_MASK) return Class::kLetter;
  if (category & U_GC_N_MASK) return Class::kNumber;
  return u_isUWhiteSpace(c) ? Class::kSpace : Class::kOther;
}

struct Character {
  Class kind;
  std::size_t size;
};

Character first_character(std::string_view text) {
  std::size_t size = 0;
  UChar32 c = 0;
  U8_NEXT_OR_FFFD(text.data(), size, text.size(), c);
  return {class_of(c), size};
}

// How many bytes at the beginning are all of this class.
std::size_t run_of(Class kind, std::string_view text) {
  std::size_t size = 0;
  while (size < text.size()) {
    const Character next = first_character(text.substr(size));
    if (next.kind != kind) break;
    size += next.size;
  }
  return size;
}

}  // namespace

std::string_view TextPieces::take(std::size_t size) {
  const std::string_view piece = text_.substr(0, size);
  text_.remove_prefix(size);
  return piece;
}

std::string_view TextPieces::next() {
  if (special_left_ > 0) {  // the name, then |>
    const std::size_t size = special_left_ > 2 ? special_left_ - 2 : 2;
    special_left_ -= size;
    return take(size);
  }
  text_.remove_prefix(run_of(Class::kSpace, text_));
  if (text_.empty()) return {};
  if (with_special_tokens_) {
    for (const std::string_view token : {"<|startoftext|>", "<|endoftext|>"}) {
      if (!text_.starts_with(token)) continue;
      special_left_ = token.size() - 2;
      return take(2);
    }
  }
  if (text_[0] == '\'') {
    for (const std::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
      if (text_.starts_with(ending)) return take(ending.size());
    }
  }
  const Character first = first_character(text_);
  return take(first.kind == Class::kNumber ? first.size : run_of(first.kind, text_));
}

}  // namespace pgmmr
