#include "image/limits.h"

#include <limits>

#include "base/error.h"

namespace pgmmr {

void check_dimensions(std::int64_t width, std::int64_t height, std::int64_t max_pixels,
                      const std::string& format, const std::string& name) {
  const std::string size = std::to_string(width) + " x " + std::to_string(height) + " pixels";
  if (width < 1 || height < 1) {
    throw Error(ErrorKind::kCorrupt, name + ": the " + format + " header declares " + size +
                                         ", at least 1 x 1 expected");
  }
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  if (width > kMost || height > kMost || width > max_pixels / height) {
    throw Error(ErrorKind::kInvalidArgument,
                name + ": the " + format + " header declares " + size + ", above the limit of " +
                    std::to_string(max_pixels) + " pixels in all; scale the picture down first");
  }
}

}  // namespace pgmmr
