#include "clip/text_normaliser.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstdint>

#include "base/error.h"

namespace pgmmr {
namespace {

// ICU counts in int32, and lower case and composition may lengthen text three times.
constexpr std::size_t kMaxBytes = std::size_t{256} << 20;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string compose(std::string_view utf8) {
  UErrorCode status = U_ZERO_ERROR;
  std::string composed;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(status);
  if (U_SUCCESS(status)) {
    icu::StringByteSink<std::string> sink(&composed);
    nfc->normalizeUTF8(0, {utf8.data(), static_cast<std::int32_t>(utf8.size())}, sink, nullptr,
                       status);
  }
  if (U_FAILURE(status)) {
    throw Error(ErrorKind::kInternal,
                std::string("composing text (NFC): ICU says ") + u_errorName(status));
  }
  return composed;
}

void append(UChar32 c, std::string& text) {
  char bytes[U8_MAX_LENGTH];
  std::int32_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, c);
  text.append(bytes, static_cast<std::size_t>(size));
}

}  // namespace

std::string normalise_text(std::string_view utf8) {
  if (utf8.size() > kMaxBytes) {
    throw Error(ErrorKind::kInvalidArgument, "reading text: " + std::to_string(utf8.size()) +
                                                 " bytes, expected at most 256 MiB");
  }
  std::string composed;
  if (!is_ascii(utf8)) {
    composed = compose(utf8);
    utf8 = composed;
  }
  std::string normalised;
  normalised.reserve(utf8.size());
  bool after_space = false;
  for (std::size_t at = 0; at < utf8.size();) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(utf8.data(), at, utf8.size(), c);
    const bool space = u_isUWhiteSpace(c);
    if (space) {
      if (!after_space) normalised += ' ';
    } else if (c < 0x80) {
      normalised += static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    } else if (c == 0x130) {
      // The one character whose lower case is longer than one, in every context and language.
      normalised += "i\xCC\x87";
    } else {
      append(u_tolower(c), normalised);
    }
    after_space = space;
  }
  return normalised;
}

}  // namespace pgmmr
