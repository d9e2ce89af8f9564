#include "search/hit_caption.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "text/words.h"

namespace pgmmr {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

std::size_t skip_space(std::string_view json, std::size_t at) {
  return std::min(json.find_first_not_of(" \t\r\n", at), json.size());
}

// Where the string that begins at `at` ends, behind its quote.
std::size_t end_of_string(std::string_view json, std::size_t at) {
  for (++at; at < json.size(); ++at) {
    if (json[at] == '"') return at + 1;
    if (json[at] == '\\') ++at;
  }
  return kNone;
}

std::size_t end_of_value(std::string_view json, std::size_t at) {
  for (int depth = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (c == '"') {
      at = end_of_string(json, at);
      if (at == kNone || depth == 0) return at;
      --at;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (depth == 0) {
      return json.find_first_of(",}] \t\r\n", at);  // a number, true, false or null
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return at + 1;
    }
  }
  return kNone;
}

// The text that a JSON value is, or the texts that it lists.
void add_texts(std::vector<std::string>& texts, std::string_view value) {
  if (value.front() == '"' && value.find('\\') == kNone) {
    texts.emplace_back(value.substr(1, value.size() - 2));
  } else if (value.front() == '"' || value.front() == '[') {
    const auto add = [&](const nlohmann::json& one) {
      if (one.is_string()) texts.push_back(one.get<std::string>());
    };
    const auto read = nlohmann::json::parse(value, nullptr, false);
    if (!read.is_array()) return add(read);
    for (const auto& one : read) add(one);
  }
}

// Walks over the fields from name to name: every hit of every search comes through here, and a JSON
// parser would decode each letter of what lies between. Not past the last caption.
//   returns  false for what is no JSON object
bool read_captions(std::string_view json, const std::vector<CaptionColumn>& captions,
                   std::vector<std::vector<std::string>>& texts) {
  std::size_t at = skip_space(json, 0);
  if (at == json.size() || json[at] != '{') return false;
  std::size_t unseen = captions.size();
  for (bool first = true; unseen > 0; first = false) {
    at = skip_space(json, at + 1);
    if (at == json.size()) return false;
    if (json[at] == '}') return first;
    const std::size_t name_end = json[at] == '"' ? end_of_string(json, at) : kNone;
    if (name_end == kNone) return false;
    std::vector<std::string> name;
    add_texts(name, json.substr(at, name_end - at));
    at = skip_space(json, name_end);
    if (at == json.size() || json[at] != ':' || name.empty()) return false;
    at = skip_space(json, at + 1);
    const std::size_t end = end_of_value(json, at);
    if (end == kNone || end == at) return false;
    const auto caption = std::ranges::find(captions, name.front(), &CaptionColumn::name);
    if (caption != captions.end()) {
      add_texts(texts[static_cast<std::size_t>(caption - captions.begin())],
                json.substr(at, end - at));
      --unseen;
    }
    at = skip_space(json, end);
    if (at == json.size()) return false;
    if (json[at] == '}') return true;
    if (json[at] != ',') return false;
  }
  return true;
}

}  // namespace

std::vector<std::vector<std::string>> caption_texts(const Collection& collection,
                                                    const RankedRow& hit) {
  std::vector<std::vector<std::string>> texts(collection.captions.size());
  if (!read_captions(hit.fields, collection.captions, texts)) texts.assign(texts.size(), {});
  return texts;
}

std::string hit_caption(const Collection& collection, const RankedRow& hit,
                        const std::string& query_text) {
  const bool wants_icu = needs_segmentation(query_text);
  const auto texts = caption_texts(collection, hit);
  std::string other;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::string caption;
    for (const std::string& text : texts[i]) caption += (caption.empty() ? "" : " ") + text;
    if (caption.empty()) continue;
    if ((collection.captions[i].config == "icu") == wants_icu) return caption;
    if (other.empty()) other = std::move(caption);
  }
  return other;
}

}  // namespace pgmmr
