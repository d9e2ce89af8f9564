#include "search/hit_picture.h"

#include "base/error.h"
#include "base/file.h"
#include "base/file_uri.h"
#include "image/decode.h"

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

}  // namespace pgmmr
