#include "search/hit_picture.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/file_uri.h"
#include "image/decode.h"
#include "text/words.h"

namespace pgmmr {

Picture hit_picture(Connection& connection, const Collection& collection, const RankedRow& hit) {
  if (const auto path = path_of_file_uri(hit.image_uri)) {
    return decode_picture(read_file(*path), path->string());
  }
  if (!hit.image_uri.starts_with("media:")) {
    throw Error(ErrorKind::kNotFound, "reading the picture of " + hit.key + ": " + hit.image_uri +
                                          " is neither a file nor stored in the database");
  }
  // The thumbnail was made from the upright picture; the stored original is turned here.
  auto bytes = stored_thumbnail(connection, collection.name, hit.key);
  if (!bytes || bytes->empty()) bytes = stored_image(connection, collection.name, hit.key);
  if (!bytes) {
    throw Error(ErrorKind::kNotFound, "reading the picture of " + hit.key +
                                          ": the database holds none, though the row says so");
  }
  return decode_picture(*bytes, hit.key);
}

std::string hit_caption(const Collection& collection, const RankedRow& hit,
                        const std::string& query_text) {
  const auto fields = nlohmann::json::parse(hit.fields, nullptr, false);
  if (!fields.is_object()) return "";
  const bool wants_icu = needs_segmentation(query_text);
  std::string other;
  for (const CaptionColumn& caption : collection.captions) {
    const auto found = fields.find(caption.name);
    if (found == fields.end() || found->is_null()) continue;
    std::string text;
    if (found->is_string()) {
      text = found->get<std::string>();
    } else if (found->is_array()) {
      for (const auto& part : *found) {
        if (part.is_string()) text += (text.empty() ? "" : " ") + part.get<std::string>();
      }
    }
    if (text.empty()) continue;
    if ((caption.config == "icu") == wants_icu) return text;
    if (other.empty()) other = text;
  }
  return other;
}

}  // namespace pgmmr
