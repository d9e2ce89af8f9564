#include "search/keyword_text.h"

#include <algorithm>

#include "text/words.h"

namespace pgmmr {
namespace {

bool is_space(char letter) { return letter == ' ' || (letter >= '\t' && letter <= '\r'); }

void append(std::string& query, const std::string& part) {
  if (part.empty()) return;
  if (!query.empty()) query += ' ';
  query += part;
}

std::string quoted(const std::string& words) { return words.empty() ? "" : '"' + words + '"'; }

}  // namespace

std::string segmented_query(std::string_view query) {
  std::string result, plain;
  const auto flush = [&] {
    append(result, icu_words(plain));
    plain.clear();
  };
  for (std::size_t at = 0; at < query.size();) {
    const bool at_start = at == 0 || is_space(query[at - 1]);
    const bool negated =
        at_start && query[at] == '-' && at + 1 < query.size() && !is_space(query[at + 1]);
    const std::size_t from = at + (negated ? 1 : 0);
    if (query[from] == '"' && (at_start || negated)) {
      const std::size_t end = std::min(query.find('"', from + 1), query.size());
      flush();
      const std::string phrase = quoted(icu_words(query.substr(from + 1, end - from - 1)));
      if (!phrase.empty()) append(result, (negated ? "-" : "") + phrase);
      at = std::min(end + 1, query.size());
    } else if (negated) {
      std::size_t end = from;
      while (end < query.size() && !is_space(query[end])) ++end;
      flush();
      const std::string phrase = quoted(icu_words(query.substr(from, end - from)));
      if (!phrase.empty()) append(result, "-" + phrase);
      at = end;
    } else {
      plain += query[at++];
    }
  }
  flush();
  return result;
}

std::string without(const std::string& query, const std::string& unwanted) {
  std::string phrase = unwanted;
  std::replace(phrase.begin(), phrase.end(), '"', ' ');
  if (std::all_of(phrase.begin(), phrase.end(), is_space)) return query;
  // An open quote of the query's would swallow what follows.
  const bool open = std::count(query.begin(), query.end(), '"') % 2 != 0;
  return query + (open ? "\"" : "") + " -\"" + phrase + '"';
}

}  // namespace pgmmr
