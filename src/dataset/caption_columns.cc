#include "dataset/caption_columns.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace pgmmr {
namespace {

constexpr std::array<std::string_view, 24> kCaptionWords = {
    "caption", "captions",     "recaption", "text",     "texts",    "title",
    "name",    "names",        "alt",       "prompt",   "prompts",  "description",
    "label",   "labels",       "desc",      "sentence", "tag",      "sentences",
    "tags",    "descriptions", "keywords",  "subject",  "headline", "summary"};

constexpr std::array<std::string_view, 22> kOtherWords = {
    "id",    "key",      "uuid",     "guid", "url",    "uri",    "link", "path",
    "file",  "filename", "filepath", "src",  "hash",   "sha256", "sha1", "md5",
    "phash", "split",    "license",  "mime", "format", "lang"};

// "textEn_v2" is text, en, v2.
std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  bool was_lower = false;
  for (const char c : name) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x80 && std::isalnum(u) == 0) {
      words.emplace_back();
    } else {
      if (was_lower && std::isupper(u) != 0) words.emplace_back();
      words.back() += static_cast<char>(std::tolower(u));
    }
    was_lower = std::islower(u) != 0;
  }
  std::erase(words, "");
  return words;
}

template <std::size_t n>
bool has_word(const Column& column, const std::array<std::string_view, n>& listed) {
  const auto words = words_of(column.name);
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return std::find(listed.begin(), listed.end(), word) != listed.end();
  });
}

bool is_text(const Column& column) {
  return column.type == ColumnType::kText || column.type == ColumnType::kTextArray;
}

}  // namespace

std::vector<std::string> caption_columns(const std::vector<Column>& columns) {
  std::vector<std::string> captions, others;
  for (const Column& column : columns) {
    if (!is_text(column) || has_word(column, kOtherWords)) continue;
    others.push_back(column.name);
    if (has_word(column, kCaptionWords)) captions.push_back(column.name);
  }
  return captions.empty() ? others : captions;
}

}  // namespace pgmmr
