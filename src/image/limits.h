// The size check that every decoder makes before it allocates pixels.
#pragma once

#include <cstdint>
#include <string>

namespace pgmmr {

// format ("PNG") and name (the picture's) are for the message.
//   throws  Error{kCorrupt} for a side below 1, kInvalidArgument above max_pixels or 2^31 - 1 a
//   side
void check_dimensions(std::int64_t width, std::int64_t height, std::int64_t max_pixels,
                      const std::string& format, const std::string& name);

}  // namespace pgmmr
