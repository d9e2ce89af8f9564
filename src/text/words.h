// Text to the words that keyword search keeps, for scripts that PostgreSQL's parser cannot split.
//
// Chinese, Japanese, Thai, Lao, Khmer and Burmese are written without spaces between words;
// to_tsvector would make one lexeme of a whole sentence. Unicode's word boundaries (UAX #29) with
// ICU's dictionaries split them. Ingest and search call the same function, so that both sides cut
// alike. Left out: stemming, and Korean's particles, which stay on their nouns.
#pragma once

#include <string>
#include <string_view>

namespace pgmmr {

// True where most of the text is in a script that ICU should split (Han, Kana, Hangul, Bopomofo,
// Thai, Lao, Khmer, Myanmar). Such a letter weighs as much as 2.5 of another script: a Chinese word
// has about two letters, an English one five. Never fails: bytes that are not UTF-8 count as
// nothing.
bool needs_segmentation(std::string_view utf8);

// The text's words, one space between them, NFKC case-folded (full-width and half-width forms,
// ligatures and letter case are all one), without punctuation, symbols and emoji. Words of other
// scripts inside are kept whole. Bytes that are not UTF-8 are word boundaries.
//   returns  UTF-8, empty where there are no words
//   throws   Error{kInvalidArgument} for more than 256 MiB
//   threads  safe to call at once
std::string icu_words(std::string_view utf8);

}  // namespace pgmmr
