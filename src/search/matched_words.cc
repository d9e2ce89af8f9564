#include "search/matched_words.h"

#include <algorithm>
#include <map>
#include <set>

#include "search/hit_caption.h"
#include "search/keyword_text.h"
#include "store/row.h"
#include "text/words.h"

namespace pgmmr {
namespace {

void add(std::vector<std::string>& words, const std::string& word) {
  if (!word.empty() && std::find(words.begin(), words.end(), word) == words.end()) {
    words.push_back(word);
  }
}

void add_marked(std::vector<std::string>& words, const std::string& text) {
  for (std::size_t at = 0; (at = text.find('\x02', at)) != std::string::npos;) {
    const std::size_t end = text.find('\x03', ++at);
    if (end == std::string::npos) return;
    add(words, text.substr(at, end - at));
    at = end;
  }
}

std::vector<std::string> split(const std::string& words) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < words.size();) {
    const std::size_t end = std::min(words.find(' ', at), words.size());
    if (end > at) parts.push_back(words.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// The words that segmented_query() does not forbid.
std::set<std::string> wanted_words(const std::string& text) {
  std::set<std::string> wanted;
  const std::string query = segmented_query(text);
  for (std::size_t at = 0; at < query.size();) {
    const bool forbidden = query[at] == '-';
    if (forbidden) ++at;
    const bool quoted = at < query.size() && query[at] == '"';
    if (quoted) ++at;
    const std::size_t end = std::min(query.find(quoted ? '"' : ' ', at), query.size());
    if (!forbidden) {
      for (std::string& word : split(query.substr(at, end - at))) wanted.insert(std::move(word));
    }
    at = end + 1;
  }
  return wanted;
}

}  // namespace

std::vector<std::vector<std::string>> matched_words(Connection& connection,
                                                    const Collection& collection,
                                                    const std::vector<RankedRow>& hits,
                                                    const std::string& text) {
  std::vector<std::vector<std::string>> words(hits.size());
  struct Texts {
    std::vector<std::string> texts;
    std::vector<std::size_t> hits;
  };
  std::map<std::string, Texts> by_config;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    if (!hits[i].keyword_rank) continue;
    auto texts = caption_texts(collection, hits[i]);
    for (std::size_t caption = 0; caption < texts.size(); ++caption) {
      if (texts[caption].empty()) continue;
      Texts& found = by_config[collection.captions[caption].config];
      for (std::string& one : texts[caption]) {
        found.texts.push_back(std::move(one));
        found.hits.push_back(i);
      }
    }
  }
  for (auto& [config, found] : by_config) {
    if (config == "icu") {
      const std::set<std::string> wanted = wanted_words(text);
      for (std::size_t i = 0; i < found.texts.size(); ++i) {
        for (const std::string& word : split(icu_words(found.texts[i]))) {
          if (wanted.contains(word)) add(words[found.hits[i]], word);
        }
      }
      continue;
    }
    const auto marked = mark_words(connection, config, text, found.texts);
    for (std::size_t i = 0; i < marked.size(); ++i) add_marked(words[found.hits[i]], marked[i]);
  }
  return words;
}

}  // namespace pgmmr
