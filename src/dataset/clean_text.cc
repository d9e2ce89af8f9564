#include "dataset/clean_text.h"

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace pgmmr {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr int kMaxDepth = 512;  // jsonb's parser recurses, and its stack is the server's

// How many bytes the sequence at p has; negative: how many belong to an ill-formed one.
int sequence_length(const unsigned char* p, const unsigned char* end) {
  if (*p < 0x80) return 1;
  if (*p < 0xC2 || *p > 0xF4) return -1;
  const int extra = *p >= 0xF0 ? 3 : *p >= 0xE0 ? 2 : 1;
  unsigned low = 0x80, high = 0xBF;  // of the second byte: no overlong forms, no surrogates
  if (*p == 0xE0) low = 0xA0;
  if (*p == 0xED) high = 0x9F;
  if (*p == 0xF0) low = 0x90;
  if (*p == 0xF4) high = 0x8F;
  for (int i = 1; i <= extra; ++i) {
    if (p + i >= end || p[i] < low || p[i] > high) return -i;
    low = 0x80;
    high = 0xBF;
  }
  return extra + 1;
}

std::optional<unsigned> hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(0, 4)) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return std::nullopt;
    value = value * 16 + static_cast<unsigned>(std::isdigit(static_cast<unsigned char>(c)) != 0
                                                   ? c - '0'
                                                   : (c | 0x20) - 'a' + 10);
  }
  return value;
}

// Copies an escape that begins at text[at] (a backslash); returns where it ends.
std::size_t copy_escape(std::string_view text, std::size_t at, std::string& out) {
  if (at + 1 >= text.size()) return text.size();
  const auto code = text[at + 1] == 'u' ? hex4(text.substr(at + 2)) : std::nullopt;
  if (!code) {
    out.append(text.substr(at, 2));
    return at + 2;
  }
  if (*code == 0) return at + 6;
  if (*code < 0xD800 || *code > 0xDFFF) {
    out.append(text.substr(at, 6));
    return at + 6;
  }
  const auto rest = text.substr(at + 6);
  const auto next = *code < 0xDC00 && rest.starts_with("\\u") ? hex4(rest.substr(2)) : std::nullopt;
  if (next && *next >= 0xDC00 && *next <= 0xDFFF) {
    out.append(text.substr(at, 12));
    return at + 12;
  }
  out.append(kReplacement);
  return at + 6;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '-' || c == '.';
}

}  // namespace

std::string clean_text(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* end = p + bytes.size();
  while (p < end) {
    const int length = sequence_length(p, end);
    if (length < 0) {
      text.append(kReplacement);
    } else if (*p != 0) {
      text.append(reinterpret_cast<const char*>(p), static_cast<std::size_t>(length));
    }
    p += std::abs(length);
  }
  return text;
}

std::optional<std::string> clean_json(std::string_view json) {
  const std::string text = clean_text(json);
  std::string out;
  out.reserve(text.size());
  int depth = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      out += text[at++];
      while (at < text.size() && text[at] != '"') {
        if (text[at] == '\\') {
          at = copy_escape(text, at, out);
        } else {
          out += text[at++];
        }
      }
      if (at >= text.size()) return std::nullopt;
      out += text[at++];
    } else if (is_word(c)) {
      const std::size_t begin = at;
      while (at < text.size() && is_word(text[at])) ++at;
      const std::string word = text.substr(begin, at - begin);
      const bool is_number = std::isdigit(static_cast<unsigned char>(word.back())) != 0;
      const bool is_constant = word == "true" || word == "false" || word == "null";
      const bool keep = is_number ? std::isfinite(std::strtod(word.c_str(), nullptr)) : is_constant;
      const bool is_nonfinite = word.ends_with("NaN") || word.ends_with("nan") ||
                                word.ends_with("Infinity") || word.ends_with("inf");
      if (!keep && !is_number && !is_nonfinite) return std::nullopt;
      out += keep ? word : "null";
    } else {
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      if (depth > kMaxDepth) return std::nullopt;
      out += c;
      ++at;
    }
  }
  if (!nlohmann::json::accept(out)) return std::nullopt;
  return out;
}

std::string words_of_name(std::string_view name) {
  const std::size_t slash = name.find_last_of('/');
  if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
  const std::size_t dot = name.find_last_of('.');
  if (dot != std::string_view::npos && dot > 0) name = name.substr(0, dot);
  std::string words;
  for (const char c : name) {
    const bool separates =
        c == '_' || c == '-' || c == '.' || c == '+' || (c >= 0 && c <= ' ') || c == 0x7F;
    if (!separates) {
      words += c;
    } else if (!words.empty() && words.back() != ' ') {
      words += ' ';
    }
  }
  while (!words.empty() && words.back() == ' ') words.pop_back();
  return clean_text(words);
}

}  // namespace pgmmr
