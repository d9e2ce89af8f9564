#include "image/encode.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/error.h"
#include "image/flatten.h"
#include "image/resize.h"
#include "image/vips_library.h"

namespace pgmmr {
namespace {

// The picture must outlive the image: libvips reads its memory.
VipsImageHandle wrap(const Picture& picture) {
  start_vips();
  if (picture.width < 1 || picture.height < 1) {
    throw Error(ErrorKind::kInvalidArgument, "encoding a picture: it has no pixels");
  }
  return VipsImageHandle(vips_image_new_from_memory(
      picture.rgb.data(), picture.rgb.size(), picture.width, picture.height, 3, VIPS_FORMAT_UCHAR));
}

std::string taken(int failed, void* buffer, std::size_t size, const char* what) {
  const std::unique_ptr<void, GFree> owner(buffer);
  if (failed != 0) {
    throw Error(ErrorKind::kInternal,
                std::string("encoding a ") + what + ": " + take_vips_complaint());
  }
  return {static_cast<const char*>(buffer), size};
}

}  // namespace

std::string encode_thumbnail(const Picture& picture, int max_side, int quality) {
  if (!picture.alpha.empty()) return encode_thumbnail(flatten(picture), max_side, quality);
  const int longer = std::max(picture.width, picture.height);
  if (longer > max_side) {
    const double scale = static_cast<double>(max_side) / longer;
    const auto side = [&](int pixels) {
      return std::max(1, static_cast<int>(std::lround(pixels * scale)));
    };
    return encode_thumbnail(resize(picture, side(picture.width), side(picture.height)), max_side,
                            quality);
  }
  const VipsImageHandle image = wrap(picture);
  void* buffer = nullptr;
  std::size_t size = 0;
  const int failed = vips_jpegsave_buffer(image.get(), &buffer, &size, "Q", quality,
                                          "optimize_coding", TRUE, nullptr);
  return taken(failed, buffer, size, "JPEG");
}

std::string encode_png(const Picture& picture) {
  const VipsImageHandle image = wrap(picture);
  void* buffer = nullptr;
  std::size_t size = 0;
  const int failed = vips_pngsave_buffer(image.get(), &buffer, &size, "compression", 6, nullptr);
  return taken(failed, buffer, size, "PNG");
}

}  // namespace pgmmr
