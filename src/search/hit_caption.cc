#include "search/hit_caption.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "text/words.h"

namespace pgmmr {
namespace {

// Reads fields without making a tree of them, and no further than the last caption: every hit of
// every search comes through here.
class CaptionReader {
 public:
  explicit CaptionReader(const std::vector<CaptionColumn>& captions)
      : captions_(captions), texts_(captions.size()), unseen_(captions.size()) {}

  std::vector<std::vector<std::string>> take() { return std::move(texts_); }

  // What nlohmann's sax_parse calls; false ends it.
  bool key(std::string& name) {
    if (depth_ != 1) return true;
    if (unseen_ == 0) return false;
    const auto found = std::ranges::find(captions_, name, &CaptionColumn::name);
    column_ = static_cast<std::size_t>(found - captions_.begin());
    if (column_ < texts_.size()) --unseen_;
    return true;
  }
  bool string(std::string& text) {
    const bool own = depth_ == 1 || (depth_ == 2 && in_list_);
    if (own && column_ < texts_.size()) texts_[column_].push_back(std::move(text));
    return true;
  }
  bool start_object(std::size_t) { return enter(false); }
  bool start_array(std::size_t) { return depth_ > 0 && enter(true); }
  bool end_object() { return leave(); }
  bool end_array() { return leave(); }
  bool null() { return true; }
  bool boolean(bool) { return true; }
  bool number_integer(std::int64_t) { return true; }
  bool number_unsigned(std::uint64_t) { return true; }
  bool number_float(double, const std::string&) { return true; }
  bool binary(std::vector<std::uint8_t>&) { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) {
    texts_.assign(texts_.size(), {});
    return false;
  }

 private:
  bool enter(bool list) {
    if (++depth_ == 2) in_list_ = list;
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }

  const std::vector<CaptionColumn>& captions_;
  std::vector<std::vector<std::string>> texts_;
  std::size_t unseen_;
  std::size_t column_ = texts_.size();  // of the field that is being read; the size: no caption
  int depth_ = 0;
  bool in_list_ = false;
};

}  // namespace

std::vector<std::vector<std::string>> caption_texts(const Collection& collection,
                                                    const RankedRow& hit) {
  CaptionReader reader(collection.captions);
  nlohmann::json::sax_parse(hit.fields, &reader);
  return reader.take();
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
