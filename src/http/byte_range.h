// A Range header to the part of a picture it asks for (RFC 9110, 14.2).
#pragma once

#include <cstdint>
#include <string_view>

namespace pgmmr {

struct ByteRange {
  enum class Kind {
    kWhole,    // no header, another unit, several ranges or not a range: answered with everything
    kPart,     // offset and length lie within the picture, length is above 0
    kOutside,  // 416
  };
  Kind kind = Kind::kWhole;
  std::uint64_t offset = 0, length = 0;
};

// header: "bytes=0-99", "bytes=100-", "bytes=-100"; size: of the picture.
ByteRange read_range(std::string_view header, std::uint64_t size);

}  // namespace pgmmr
