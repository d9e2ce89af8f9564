// Whatever a client sends is read or refused: heads, query parameters, JSON bodies, ranges, base64
// and data: URLs.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "http/base64.h"
#include "http/byte_range.h"
#include "http/guard.h"
#include "http/problem.h"
#include "http/request_head.h"
#include "http/search_call.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pgmmr;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto end = head_end(text);
  const RequestHead head = read_head(std::string_view(text).substr(0, end));
  // What was let through must pass again: nothing is left in it that was to be removed.
  if (head.status == 0 && read_head(head.text).status != 0) __builtin_trap();

  const ByteRange range = read_range(text, size + 1);
  if (range.kind == ByteRange::Kind::kPart &&
      (range.length == 0 || range.offset + range.length > size + 1)) {
    __builtin_trap();
  }
  if (const auto bytes = decode_base64(text)) {
    if (decode_base64(encode_base64(*bytes)) != bytes) __builtin_trap();
  }
  decode_data_url(text);
  host_name(text);

  WebRequest request;
  request.method = "POST";
  request.headers["content-type"] = "application/json";
  request.body = text;
  for (const bool as_json : {true, false}) {
    if (!as_json) {
      request.body.clear();
      for (const char* name : {"k", "offset", "mode", "text", "image", "image_url", "collection"}) {
        request.params.emplace(name, text);
      }
    }
    try {
      const SearchCall call = read_search(request);
      if (call.query.limit < 1 || call.query.limit > kMostHits) __builtin_trap();
      if (call.offset < 0 || call.offset > kMostOffset) __builtin_trap();
    } catch (const Problem&) {
    }
  }
  return 0;
}
