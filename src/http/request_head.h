// The head of an HTTP/1.1 request: bytes from outside to the same head with everything removed that
// two parsers could read in two ways.
//
// Stands before the HTTP library, so that what the library sees is bounded and well formed: RFC
// 9112, without its leniencies (bare LF, folded lines, space before the colon) and without the ways
// of saying the body's length twice (section 6.3), which is how requests are smuggled. Range,
// Accept-Encoding and Expect are taken out, because the library would act on them by itself: ranges
// are answered by byte_range.h, Brotli at its slowest setting by nobody.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pgmmr {

inline constexpr std::size_t kMaxHeadBytes = 16 * 1024;
inline constexpr std::size_t kMaxTargetBytes = 4096;
inline constexpr int kMaxHeaders = 64;

struct RequestHead {
  int status = 0;       // 0 where the head is in order, else the status that refuses it
  std::string problem;  // what is wrong with it
  std::string text;     // for the library; ends in an empty line
  std::string range, accept_encoding;
  bool expects_continue = false;
  bool has_body = false;           // Content-Length above 0, or chunked
  std::size_t content_length = 0;  // 0 where chunked
};

// Where the head ends in these bytes, behind its empty line; npos where it doesn't yet.
std::size_t head_end(std::string_view bytes);

// head: up to head_end(). Never throws for what the bytes hold.
RequestHead read_head(std::string_view head);

}  // namespace pgmmr
