#include "app/hit_format.h"

#include <fmt/format.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "app/csv_field.h"
#include "search/hit_caption.h"

namespace pgmmr {
namespace {

constexpr int kMinCaption = 16;

// The letter at `at`, which moves behind it; U+FFFD for bytes that are no UTF-8.
UChar32 next_letter(std::string_view text, std::int32_t& at) {
  UChar32 letter = 0;
  U8_NEXT(text.data(), at, static_cast<std::int32_t>(text.size()), letter);
  return letter < 0 ? 0xFFFD : letter;
}

int cells(UChar32 letter) {
  const int category = u_charType(letter);
  if (category == U_NON_SPACING_MARK || category == U_ENCLOSING_MARK || category == U_FORMAT_CHAR) {
    return 0;
  }
  const int width = u_getIntPropertyValue(letter, UCHAR_EAST_ASIAN_WIDTH);
  return width == U_EA_WIDE || width == U_EA_FULLWIDTH ? 2 : 1;
}

bool moves_cursor(UChar32 letter) {
  const int category = u_charType(letter);
  return category == U_CONTROL_CHAR || category == U_LINE_SEPARATOR ||
         category == U_PARAGRAPH_SEPARATOR ||
         // Bidirectional overrides reorder the rest of the line.
         (letter >= 0x202A && letter <= 0x202E) || (letter >= 0x2066 && letter <= 0x2069);
}

std::string padded(const std::string& text, int width) {
  const int missing = width - display_width(text);
  return text + std::string(static_cast<std::size_t>(std::max(0, missing)), ' ');
}

std::string number_or_empty(const std::optional<double>& value) {
  return value ? fmt::format("{:.6g}", *value) : "";
}

std::string number_or_empty(const std::optional<int>& value) {
  return value ? std::to_string(*value) : "";
}

}  // namespace

int display_width(std::string_view utf8) {
  int width = 0;
  for (std::int32_t at = 0; at < static_cast<std::int32_t>(utf8.size());) {
    width += cells(next_letter(utf8, at));
  }
  return width;
}

std::string fit_to_width(std::string_view utf8, int width) {
  std::string text;
  int used = 0;
  std::size_t cut_at = 0;  // bytes of text that leave a cell for the ellipsis
  for (std::int32_t at = 0; at < static_cast<std::int32_t>(utf8.size());) {
    const std::int32_t from = at;
    const UChar32 letter = next_letter(utf8, at);
    if (moves_cursor(letter)) {
      text += ' ';
      used += 1;
    } else {
      if (letter == 0xFFFD) {
        text += "\xEF\xBF\xBD";
      } else {
        text += utf8.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(at - from));
      }
      used += cells(letter);
    }
    if (used <= width - 1) cut_at = text.size();
    if (used > width) return width < 1 ? "" : text.substr(0, cut_at) + "…";
  }
  return text;
}

std::string hits_as_table(const Collection& collection, const SearchResult& result,
                          const Query& query, int width, bool colours) {
  if (result.hits.empty()) return "no hits\n";
  struct Line {
    std::string rank, similarity, caption, key;
  };
  std::vector<Line> lines;
  int caption_width = 0, key_width = 0;
  for (std::size_t i = 0; i < result.hits.size(); ++i) {
    const RankedRow& hit = result.hits[i];
    Line line{std::to_string(i + 1), hit.similarity ? fmt::format("{:.3f}", *hit.similarity) : "-",
              fit_to_width(hit_caption(collection, hit, query.text), 1 << 20),
              fit_to_width(hit.key, 1 << 20)};
    caption_width = std::max(caption_width, display_width(line.caption));
    key_width = std::max(key_width, display_width(line.key));
    lines.push_back(std::move(line));
  }
  const int rank_width = std::max(1, static_cast<int>(lines.back().rank.size()));
  const int similarity_width = 6;
  const bool has_captions = caption_width > 0;
  int room = width - rank_width - similarity_width - 4 - (has_captions ? 2 : 0);
  if (has_captions && caption_width + key_width > room) {
    key_width = std::min(key_width, std::max(room - caption_width, room / 3));
    caption_width = std::max(kMinCaption, room - key_width);
  }
  std::string table;
  for (const Line& line : lines) {
    std::string key = fit_to_width(line.key, has_captions ? key_width : std::max(room, 1));
    if (colours) key = "\033[2m" + key + "\033[0m";
    table +=
        fmt::format("{:>{}}  {:>{}}  ", line.rank, rank_width, line.similarity, similarity_width);
    if (has_captions)
      table += padded(fit_to_width(line.caption, caption_width), caption_width) + "  ";
    table += key + "\n";
  }
  return table;
}

std::string hits_as_jsonl(const SearchResult& result) {
  std::string text;
  for (const RankedRow& hit : result.hits) {
    append_json(text, hit);
    text += '\n';
  }
  return text;
}

std::string hits_as_csv(const Collection& collection, const SearchResult& result) {
  const std::vector<std::string> own = {"rank",       "key",         "score",
                                        "similarity", "vector_rank", "keyword_rank",
                                        "image",      "width",       "height"};
  std::string text = fmt::format("{}", fmt::join(own, ","));
  std::set<std::string> taken(own.begin(), own.end());
  for (const TableColumn& column : collection.columns) {
    std::string name = column.name;
    while (!taken.insert(name).second) name += '_';
    text += "," + csv_field(name);
  }
  text += "\r\n";
  for (std::size_t i = 0; i < result.hits.size(); ++i) {
    const RankedRow& hit = result.hits[i];
    text += fmt::format("{},{},{:.6g},{},{},{},{},{},{}", i + 1, csv_field(hit.key), hit.score,
                        number_or_empty(hit.similarity), number_or_empty(hit.vector_rank),
                        number_or_empty(hit.keyword_rank), csv_field(hit.image_uri), hit.width,
                        hit.height);
    const auto fields = nlohmann::json::parse(hit.fields, nullptr, false);
    for (const TableColumn& column : collection.columns) {
      text += ',';
      if (!fields.is_object()) continue;
      const auto found = fields.find(column.name);
      if (found == fields.end() || found->is_null()) continue;
      text += csv_field(found->is_string() ? found->get<std::string>() : found->dump());
    }
    text += "\r\n";
  }
  return text;
}

}  // namespace pgmmr
