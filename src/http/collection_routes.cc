// Collections, rows, thumbnails and pictures.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/file_uri.h"
#include "http/api_routes.h"
#include "http/byte_range.h"
#include "http/json_body.h"
#include "http/problem.h"
#include "http/search_call.h"
#include "image/decode.h"
#include "image/encode.h"
#include "store/row.h"

namespace pgmmr {
namespace {

using Json = nlohmann::ordered_json;

// Addresses of pictures don't change with their bytes, so they are asked for again after a while,
// and the ETag makes that cheap.
constexpr const char* kCacheControl = "private, max-age=3600";
constexpr std::array<int, 3> kSides = {320, 640, 1024};
constexpr std::size_t kMaxPictureBytes = 256'000'000;
constexpr int kStoredSide = 320;  // of the thumbnails that ingest makes

Json collection_json(Service& service, const ServedCollection& served) {
  const Collection& one = served.collection;
  Json json = {{"name", one.name},
               {"rows", served.counts.rows},
               {"rejects", served.counts.rejects},
               {"bytes", served.counts.bytes},
               {"model", one.model_id},
               {"dim", one.dim},
               {"source", one.source},
               {"captions", Json::array()},
               {"fields", Json::array()}};
  for (const CaptionColumn& caption : one.captions) {
    json["captions"].push_back({{"name", caption.name}, {"language", caption.config}});
  }
  for (const TableColumn& column : one.columns) {
    json["fields"].push_back({{"name", column.name}, {"type", column.type}});
  }
  const auto problem = service.encoder_problem(one);
  json["searchable"] = {{"vector", !problem}, {"keyword", !one.captions.empty()}};
  if (problem) json["searchable"]["reason"] = *problem;
  return json;
}

std::string key_of(const WebRequest& request) {
  const auto key = request.param("key");
  if (!key || key->empty()) throw mistake("key", "missing", "the key of a row");
  if (!is_utf8(*key) || key->find('\0') != std::string::npos) {
    throw mistake("key", "not UTF-8 text", "the key of a row");
  }
  return *key;
}

RankedRow row_of(Service& service, const Collection& collection, const std::string& key) {
  const auto row = service.pool.with(
      [&](Connection& connection) { return find_row(connection, collection, key); });
  if (!row) throw Problem(404, "collection " + collection.name + " has no row of that key");
  return *row;
}

// A file that a row points at: where a client's text never leads. Its size and time make its ETag.
struct PictureFile {
  std::shared_ptr<const int> descriptor;
  std::uint64_t size = 0;
  std::string tag;
};

PictureFile open_picture(const std::filesystem::path& path) {
  const int number = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (number < 0) throw Problem(404, "the picture's file is gone, or not readable");
  PictureFile file;
  file.descriptor = std::shared_ptr<const int>(new int(number), [](const int* one) {
    close(*one);
    delete one;
  });
  struct stat facts {};
  if (fstat(number, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    throw Problem(404, "the picture's file is gone");
  }
  file.size = static_cast<std::uint64_t>(facts.st_size);
  file.tag =
      sha256_hex(std::to_string(facts.st_size) + ' ' + std::to_string(facts.st_mtim.tv_sec) + '.' +
                 std::to_string(facts.st_mtim.tv_nsec) + ' ' + std::to_string(facts.st_ino))
          .substr(0, 24);
  return file;
}

std::string read_all(const PictureFile& file) {
  if (file.size > kMaxPictureBytes) throw Problem(413, "the picture's file is too large");
  std::string bytes(file.size, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n =
        pread(*file.descriptor, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n <= 0) throw Problem(404, "the picture's file changed while it was read");
    done += static_cast<std::size_t>(n);
  }
  return bytes;
}

bool is_unchanged(const WebRequest& request, const std::string& etag) {
  const std::string& known = request.header("if-none-match");
  return known == "*" || (!known.empty() && known.find(etag) != std::string::npos);
}

WebReply with_cache_headers(WebReply reply, const std::string& etag) {
  reply.headers.emplace_back("ETag", etag);
  reply.headers.emplace_back("Cache-Control", kCacheControl);
  return reply;
}

WebReply unchanged(const std::string& etag) {
  WebReply reply;
  reply.status = 304;
  return with_cache_headers(std::move(reply), etag);
}

int number_of(const WebRequest& request, const char* name, int least, int most, int otherwise) {
  const auto given = request.param(name);
  if (!given) return otherwise;
  int number = 0;
  const auto [end, code] = std::from_chars(given->data(), given->data() + given->size(), number);
  if (code != std::errc() || end != given->data() + given->size() || number < least ||
      number > most) {
    throw mistake(name, given->size() > 20 ? "long" : *given,
                  std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

int side_of(const WebRequest& request) {
  const int side = number_of(request, "h", 16, kSides.back(), kSides.front());
  for (const int one : kSides) {
    if (side <= one) return one;
  }
  return kSides.back();
}

std::shared_ptr<const std::string> make_thumbnail(Service& service, const std::string& bytes,
                                                  const std::string& name, int side) {
  std::shared_ptr<const std::string> made;
  service.executor.run([&] {
    const auto start = std::chrono::steady_clock::now();
    try {
      made =
          std::make_shared<const std::string>(encode_thumbnail(decode_picture(bytes, name), side));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInternal) throw;
      throw Problem(415, error.what());
    }
    service.metrics.observe_stage(
        "thumbnail",
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  });
  return made;
}

WebReply thumbnail(Service& service, WebRequest& request, const std::string& name) {
  const Collection collection = service.collection(name);
  const std::string key = key_of(request);
  const int side = side_of(request);
  const RankedRow row = row_of(service, collection, key);
  std::shared_ptr<const std::string> bytes;
  std::string etag;
  if (const auto path = path_of_file_uri(row.image_uri)) {
    const PictureFile file = open_picture(*path);
    etag = '"' + file.tag + '-' + std::to_string(side) + '"';
    if (is_unchanged(request, etag)) return unchanged(etag);
    const std::string place = collection.name + '\n' + key + '\n' + etag;
    bytes = service.thumbnails.find(place);
    if (!bytes) {
      bytes = make_thumbnail(service, read_all(file), key, side);
      service.thumbnails.add(place, bytes);
    }
  } else {
    auto stored = service.pool.with(
        [&](Connection& connection) { return stored_thumbnail(connection, collection.name, key); });
    const bool is_enough = stored && !stored->empty() &&
                           (side <= kStoredSide || std::max(row.width, row.height) <= kStoredSide);
    if (!is_enough) {
      const auto image = service.pool.with(
          [&](Connection& connection) { return stored_image(connection, collection.name, key); });
      if (!image || image->empty()) throw Problem(404, "the database holds no picture of that row");
      const std::string place =
          collection.name + '\n' + key + '\n' + std::to_string(side) + sha256_hex(*image);
      bytes = service.thumbnails.find(place);
      if (!bytes) {
        bytes = make_thumbnail(service, *image, key, side);
        service.thumbnails.add(place, bytes);
      }
    } else {
      bytes = std::make_shared<const std::string>(std::move(*stored));
    }
    etag = '"' + sha256_hex(*bytes).substr(0, 24) + '"';
    if (is_unchanged(request, etag)) return unchanged(etag);
  }
  WebReply reply;
  reply.content_type = media_type(*bytes);
  reply.shared_body = bytes;
  return with_cache_headers(std::move(reply), etag);
}

// Content-Disposition names the file after the key's last part, in RFC 8187's form.
std::string download_name(const std::string& key) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string quoted;
  for (const char c : key.substr(key.rfind('/') + 1)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '.' || c == '-' || c == '_';
    if (plain) {
      quoted += c;
    } else {
      quoted += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return "attachment; filename*=UTF-8''" + quoted;
}

WebReply picture(Service& service, WebRequest& request, const std::string& name) {
  const Collection collection = service.collection(name);
  const std::string key = key_of(request);
  const RankedRow row = row_of(service, collection, key);
  WebReply reply;
  std::string etag, head;
  std::shared_ptr<const std::string> stored;
  PictureFile file;
  if (const auto path = path_of_file_uri(row.image_uri)) {
    file = open_picture(*path);
    head.resize(4096);
    const ssize_t n = pread(*file.descriptor, head.data(), head.size(), 0);
    head.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    etag = '"' + file.tag + '"';
  } else {
    auto bytes = service.pool.with(
        [&](Connection& connection) { return stored_image(connection, collection.name, key); });
    if (!bytes || bytes->empty()) throw Problem(404, "the database holds no picture of that row");
    stored = std::make_shared<const std::string>(std::move(*bytes));
    file.size = stored->size();
    head = stored->substr(0, 4096);
    etag = '"' + sha256_hex(*stored).substr(0, 24) + '"';
  }
  // Only what is a picture by its content: a file may have become something else since the ingest.
  reply.content_type = media_type(head);
  if (!reply.content_type.starts_with("image/") || reply.content_type == "image/svg+xml") {
    throw Problem(415, "the row's file is no picture any more");
  }
  if (is_unchanged(request, etag)) return unchanged(etag);
  if (const auto download = request.param("download"); download && *download != "false") {
    reply.headers.emplace_back("Content-Disposition", download_name(key));
  }
  reply.headers.emplace_back("Accept-Ranges", "bytes");
  const std::string& only_if = request.header("if-range");
  const ByteRange range = !only_if.empty() && only_if != etag
                              ? ByteRange{}
                              : read_range(request.header("range"), file.size);
  if (range.kind == ByteRange::Kind::kOutside) {
    throw Problem(416, "the range lies outside the picture", {},
                  {{"Content-Range", "bytes */" + std::to_string(file.size)}});
  }
  const bool is_part = range.kind == ByteRange::Kind::kPart;
  const std::uint64_t offset = is_part ? range.offset : 0;
  const std::uint64_t length = is_part ? range.length : file.size;
  if (is_part) {
    reply.status = 206;
    reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(offset) + "-" +
                                                    std::to_string(offset + length - 1) + "/" +
                                                    std::to_string(file.size));
  }
  if (stored && is_part) {
    reply.body = stored->substr(offset, length);
  } else if (stored) {
    reply.shared_body = stored;
  } else {
    reply.file = FileSlice{file.descriptor, offset, length};
  }
  return with_cache_headers(std::move(reply), etag);
}

}  // namespace

void add_collection_routes(Routes& routes, Service& service) {
  const std::string base = "/api/v1/collections";
  routes.add("GET", base, Access::kToken, [&service](WebRequest&, const PathParts&) {
    Json all = Json::array();
    for (const ServedCollection& one : *service.collections()) {
      all.push_back(collection_json(service, one));
    }
    return json_reply(to_text({{"collections", all}}));
  });
  routes.add("GET", base + "/{name}", Access::kToken,
             [&service](WebRequest&, const PathParts& parts) {
               return json_reply(to_text(collection_json(service, service.served(parts[0]))));
             });
  routes.add(
      "GET", base + "/{name}/item", Access::kToken,
      [&service](WebRequest& request, const PathParts& parts) {
        const Collection collection = service.collection(parts[0]);
        return json_reply(item_json(collection, row_of(service, collection, key_of(request))));
      });
  routes.add("GET", base + "/{name}/sample", Access::kToken,
             [&service](WebRequest& request, const PathParts& parts) {
               const ServedCollection served = service.served(parts[0]);
               const int k = number_of(request, "k", 1, kMostHits, 60);
               const auto rows = service.pool.with([&](Connection& connection) {
                 return sample_rows(connection, served.collection, k, served.counts.rows);
               });
               std::string items;
               for (const RankedRow& row : rows) {
                 items += (items.empty() ? "" : ",") + item_json(served.collection, row);
               }
               return json_reply("{\"items\":[" + items + "]}");
             });
  routes.add("GET", base + "/{name}/thumbnail", Access::kToken,
             [&service](WebRequest& request, const PathParts& parts) {
               return thumbnail(service, request, parts[0]);
             });
  routes.add("GET", base + "/{name}/picture", Access::kToken,
             [&service](WebRequest& request, const PathParts& parts) {
               return picture(service, request, parts[0]);
             });
}

}  // namespace pgmmr
