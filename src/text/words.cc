#include "text/words.h"

#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string_view>

#include "base/error.h"

namespace pgmmr {
namespace {

// ICU counts in int32 and UTF-16; normalising can make text up to 18 times longer.
constexpr std::size_t kMaxBytes = std::size_t{256} << 20;

void check(UErrorCode status, const char* step) {
  if (U_FAILURE(status)) {
    throw Error(ErrorKind::kInternal,
                std::string("splitting text into words: ") + step + ": " + u_errorName(status));
  }
}

bool is_script_without_spaces(UScriptCode script) {
  switch (script) {
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_HANGUL:
    case USCRIPT_BOPOMOFO:
    case USCRIPT_THAI:
    case USCRIPT_LAO:
    case USCRIPT_KHMER:
    case USCRIPT_MYANMAR:
      return true;
    default:
      return false;
  }
}

// Particles, which every second caption has and nobody looks for: as the stop words of PostgreSQL's
// dictionaries.
constexpr std::u16string_view kParticles[] = {
    u"的", u"了", u"着", u"之", u"和", u"与", u"及", u"或", u"在", u"是",
    u"个", u"吗", u"呢",                                                   // Chinese
    u"は", u"が", u"を", u"に", u"の", u"で", u"と", u"も", u"へ", u"や",  // Japanese
};

bool is_particle(const icu::UnicodeString& word) {
  if (word.length() != 1) return false;
  return std::any_of(std::begin(kParticles), std::end(kParticles),
                     [&](std::u16string_view particle) { return particle[0] == word[0]; });
}

// Opening one reads rules and dictionaries, so each thread keeps its own.
icu::BreakIterator& word_breaker() {
  thread_local const std::unique_ptr<icu::BreakIterator> breaker = [] {
    UErrorCode status = U_ZERO_ERROR;
    std::unique_ptr<icu::BreakIterator> opened(
        icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), status));
    check(status, "opening ICU's word boundaries");
    return opened;
  }();
  return *breaker;
}

}  // namespace

bool needs_segmentation(std::string_view utf8) {
  const char* bytes = utf8.data();
  const auto size = static_cast<std::int64_t>(utf8.size());
  std::int64_t without_spaces = 0;
  std::int64_t others = 0;
  for (std::int64_t at = 0; at < size;) {
    UChar32 letter = 0;
    U8_NEXT(bytes, at, size, letter);
    if (letter < 0 || !u_isalpha(letter)) continue;
    UErrorCode status = U_ZERO_ERROR;
    const UScriptCode script = uscript_getScript(letter, &status);
    if (is_script_without_spaces(script)) {
      ++without_spaces;
    } else if (script != USCRIPT_COMMON && script != USCRIPT_INHERITED) {
      ++others;
    }
  }
  return 5 * without_spaces > 2 * others;
}

std::string icu_words(std::string_view utf8) {
  if (utf8.size() > kMaxBytes) {
    throw Error(ErrorKind::kInvalidArgument,
                "splitting text into words: " + std::to_string(utf8.size()) +
                    " bytes, expected at most 256 MiB");
  }
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* folding = icu::Normalizer2::getNFKCCasefoldInstance(status);
  check(status, "opening ICU's NFKC case folding");
  // fromUTF8 puts U+FFFD, a symbol, for bad bytes; symbols are dropped below.
  const icu::UnicodeString text = folding->normalize(
      icu::UnicodeString::fromUTF8({utf8.data(), static_cast<std::int32_t>(utf8.size())}), status);
  check(status, "folding");

  icu::BreakIterator& breaker = word_breaker();
  breaker.setText(text);
  std::string words;
  std::int32_t begin = breaker.first();
  for (std::int32_t end = breaker.next(); end != icu::BreakIterator::DONE;
       begin = end, end = breaker.next()) {
    if (breaker.getRuleStatus() < UBRK_WORD_NONE_LIMIT) continue;
    const icu::UnicodeString word = text.tempSubStringBetween(begin, end);
    if (is_particle(word)) continue;
    if (!words.empty()) words += ' ';
    word.toUTF8String(words);
  }
  return words;
}

}  // namespace pgmmr
