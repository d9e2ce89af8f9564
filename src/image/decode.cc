#include "image/decode.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "image/bmp.h"
#include "image/cmyk.h"
#include "image/format.h"
#include "image/gif_frame.h"
#include "image/jpeg.h"
#include "image/limits.h"
#include "image/orientation.h"
#include "image/vips_library.h"

namespace pgmmr {
namespace {

std::uint32_t big_endian_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

// CRC-32 of ISO 3309, as PNG's annex D has it. Bit by bit: only damaged files come here.
std::uint32_t crc32_of(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

// What is wrong with a PNG that libpng refused without saying why; empty where its chunks look
// whole.
std::string png_fault(std::string_view bytes) {
  bool has_data = false;
  std::size_t at = 8;
  while (bytes.size() - at >= 12) {
    const std::size_t length = big_endian_u32(bytes, at);
    if (length > bytes.size() - at - 12) return "ends early, within a chunk";
    const std::string_view type = bytes.substr(at + 4, 4);
    if (crc32_of(bytes.substr(at + 4, 4 + length)) != big_endian_u32(bytes, at + 8 + length)) {
      return "has a wrong checksum (CRC) in a chunk at byte " + std::to_string(at);
    }
    has_data |= type == "IDAT";
    if (type == "IEND") return has_data ? "" : "holds no image data";
    at += 12 + length;
  }
  return "ends early, before its IEND chunk";
}

// Why libvips could not read the picture, as well as it can be told.
std::string fault(std::string_view bytes, Format format) {
  if (format == Format::kPng && bytes.size() >= 8) return png_fault(bytes);
  if (format == Format::kWebp && bytes.size() >= 12) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
    const std::uint64_t declared =
        8 + (byte(4) | std::uint64_t{byte(5)} << 8 | std::uint64_t{byte(6)} << 16 |
             std::uint64_t{byte(7)} << 24);
    if (declared > bytes.size()) {
      return "ends early, after " + std::to_string(bytes.size()) + " of " +
             std::to_string(declared) + " bytes";
    }
  }
  return "";
}

// One encoded picture on its way through libvips, with what its errors must name.
struct Source {
  std::string_view bytes;
  Format format;
  std::string format_name;
  const std::string& name;

  [[noreturn]] void refuse() const {
    const std::string complaint = take_vips_complaint();
    std::string reason = fault(bytes, format);
    if (reason.empty()) reason = "is damaged or ends early";
    throw Error(ErrorKind::kCorrupt, name + ": the " + format_name + " data " + reason +
                                         (complaint.empty() ? "" : " (" + complaint + ")"));
  }
};

// What a row of libvips' samples means, and how it becomes RGB.
enum class Samples {
  kGray,      // 1 or 2 bands
  kRgb,       // 3 or 4 bands
  kCmyk,      // 4 or 5 bands, 255 is full ink
  kGrayClip,  // 16-bit gray, of which Pillow keeps what fits into 8 bits
};

template <typename T>
std::uint8_t to_8_bits(T value) {
  if constexpr (sizeof(T) == 1) return value;
  return static_cast<std::uint8_t>(value >> 8);
}

template <typename T>
void convert_row(const T* from, int bands, Samples samples, int width, std::uint8_t* to,
                 std::uint8_t* alpha) {
  // Alpha is libvips' last band.
  for (int x = 0; alpha != nullptr && x < width; ++x) {
    alpha[x] = to_8_bits(from[(x + 1) * bands - 1]);
  }
  if (samples == Samples::kRgb && bands == 3 && sizeof(T) == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(width) * 3);
    return;
  }
  for (int x = 0; x < width; ++x, from += bands, to += 3) {
    switch (samples) {
      case Samples::kGray:
        to[0] = to[1] = to[2] = to_8_bits(from[0]);
        break;
      case Samples::kGrayClip:
        to[0] = to[1] = to[2] = static_cast<std::uint8_t>(std::min<unsigned>(from[0], 255));
        break;
      case Samples::kRgb:
        for (int i = 0; i < 3; ++i) to[i] = to_8_bits(from[i]);
        break;
      case Samples::kCmyk: {
        const std::array inks{to_8_bits(from[0]), to_8_bits(from[1]), to_8_bits(from[2]),
                              to_8_bits(from[3])};
        cmyk_to_rgb(inks.data(), to);
        break;
      }
    }
  }
}

// Numbers that are neither 8 nor 16 bits (float and 32-bit TIFF): clipped to 0..255, as Pillow's
// modes F and I.
VipsImageHandle clip_to_8_bits(VipsImageHandle image, const Source& source) {
  VipsImage* clipped = nullptr;
  if (vips_cast_uchar(image.get(), &clipped, nullptr) != 0) source.refuse();
  return VipsImageHandle(clipped);
}

// The pixels, a strip at a time on the calling thread: one copy, no second picture in memory.
Picture read_pixels(VipsImageHandle image, bool clip_gray, const Source& source) {
  if (vips_image_get_coding(image.get()) != VIPS_CODING_NONE) {
    throw Error(ErrorKind::kUnsupported,
                source.name + ": " + source.format_name + " with packed pixels is not read");
  }
  if (vips_image_get_interpretation(image.get()) == VIPS_INTERPRETATION_LAB) {
    VipsImage* rgb = nullptr;
    if (vips_colourspace(image.get(), &rgb, VIPS_INTERPRETATION_sRGB, nullptr) != 0) {
      source.refuse();
    }
    image.reset(rgb);
  }
  VipsBandFormat sample = vips_image_get_format(image.get());
  if (sample != VIPS_FORMAT_UCHAR && sample != VIPS_FORMAT_USHORT) {
    image = clip_to_8_bits(std::move(image), source);
    sample = VIPS_FORMAT_UCHAR;
  }
  const int width = vips_image_get_width(image.get());
  const int height = vips_image_get_height(image.get());
  const int bands = vips_image_get_bands(image.get());
  Samples samples = bands < 3 ? Samples::kGray : Samples::kRgb;
  if (bands >= 4 && vips_image_get_interpretation(image.get()) == VIPS_INTERPRETATION_CMYK) {
    samples = Samples::kCmyk;
  }
  if (clip_gray && bands < 3 && sample == VIPS_FORMAT_USHORT) samples = Samples::kGrayClip;

  const VipsRegionHandle region(vips_region_new(image.get()));
  if (!region) source.refuse();
  Picture picture(width, height);
  const auto row_bytes = static_cast<std::size_t>(width) * 3;
  const bool has_alpha = vips_image_hasalpha(image.get()) != 0;
  if (has_alpha) picture.alpha.resize(picture.rgb.size() / 3);
  constexpr int kStrip = 16;
  for (int top = 0; top < height; top += kStrip) {
    const VipsRect strip{0, top, width, std::min(kStrip, height - top)};
    if (vips_region_prepare(region.get(), &strip) != 0) source.refuse();
    for (int y = top; y < top + strip.height; ++y) {
      const auto* from = VIPS_REGION_ADDR(region.get(), 0, y);
      std::uint8_t* to = picture.rgb.data() + static_cast<std::size_t>(y) * row_bytes;
      std::uint8_t* alpha =
          has_alpha ? picture.alpha.data() + static_cast<std::size_t>(y) * row_bytes / 3 : nullptr;
      if (sample == VIPS_FORMAT_UCHAR) {
        convert_row(from, bands, samples, width, to, alpha);
      } else {
        convert_row(reinterpret_cast<const std::uint16_t*>(from), bands, samples, width, to, alpha);
      }
    }
  }
  return picture;
}

using Loader = int (*)(const void*, size_t, VipsImage**);

template <auto kLoad>
int load(const void* bytes, size_t size, VipsImage** out) {
  return kLoad(const_cast<void*>(bytes), size, out, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
               VIPS_FAIL_ON_ERROR, "memory", TRUE, nullptr);
}

Loader loader(Format format) {
  switch (format) {
    case Format::kPng:
      return load<vips_pngload_buffer>;
    case Format::kWebp:
      return load<vips_webpload_buffer>;
    case Format::kGif:
      return load<vips_gifload_buffer>;
    default:
      return load<vips_tiffload_buffer>;
  }
}

// Opens the file and checks the size that its header declares; no pixel is decoded yet.
VipsImageHandle open(const Source& source, std::int64_t max_pixels) {
  start_vips();
  VipsImage* opened = nullptr;
  if (loader(source.format)(source.bytes.data(), source.bytes.size(), &opened) != 0)
    source.refuse();
  VipsImageHandle image(opened);
  check_dimensions(vips_image_get_width(image.get()), vips_image_get_height(image.get()),
                   max_pixels, source.format_name, source.name);
  return image;
}

// libpng has limits of its own and words them differently; the header's place is fixed, so ours
// come first. And it takes a chunk's word for how long that is, and as much memory.
void check_png(std::string_view bytes, const std::string& name, std::int64_t max_pixels) {
  if (bytes.size() < 33) {
    throw Error(ErrorKind::kCorrupt, name + ": the PNG file ends within its header");
  }
  check_dimensions(big_endian_u32(bytes, 16), big_endian_u32(bytes, 20), max_pixels, "PNG", name);
  for (std::size_t at = 8; bytes.size() - at >= 12;) {
    const std::size_t length = big_endian_u32(bytes, at);
    if (bytes.substr(at + 4, 4) == "IDAT") break;
    if (length > bytes.size() - at - 12) {
      throw Error(ErrorKind::kCorrupt, name + ": the PNG data ends early, within a chunk at byte " +
                                           std::to_string(at) + " that says it has " +
                                           std::to_string(length) + " bytes");
    }
    at += 12 + length;
  }
}

Picture decode_gif(std::string_view bytes, const FormatMatch& match, const std::string& name,
                   std::int64_t max_pixels) {
  const GifFrame frame = first_gif_frame(bytes, name, max_pixels);
  const Source source{frame.file, match.format, match.name, name};
  Picture pixels = read_pixels(open(source, max_pixels), false, source);
  if (!frame.mask.empty()) {
    const Source masked{frame.mask, match.format, match.name, name};
    const Picture mask = read_pixels(open(masked, max_pixels), false, masked);
    pixels.alpha.resize(mask.rgb.size() / 3);
    for (std::size_t i = 0; i < pixels.alpha.size(); ++i) pixels.alpha[i] = mask.rgb[i * 3];
  }
  if (frame.canvas_width == frame.width && frame.canvas_height == frame.height) return pixels;
  Picture canvas(frame.canvas_width, frame.canvas_height);
  if (!pixels.alpha.empty()) canvas.alpha.resize(canvas.rgb.size() / 3);  // so around the frame
  for (std::size_t i = 0; i < canvas.rgb.size(); ++i) canvas.rgb[i] = frame.background[i % 3];
  const auto width = static_cast<std::size_t>(frame.width);
  for (int y = 0; y < frame.height; ++y) {
    const std::size_t from = static_cast<std::size_t>(y) * width;
    const std::size_t to =
        static_cast<std::size_t>(frame.top + y) * static_cast<std::size_t>(frame.canvas_width) +
        static_cast<std::size_t>(frame.left);
    std::memcpy(canvas.rgb.data() + to * 3, pixels.rgb.data() + from * 3, width * 3);
    if (!pixels.alpha.empty()) {
      std::memcpy(canvas.alpha.data() + to, pixels.alpha.data() + from, width);
    }
  }
  return canvas;
}

Picture decode(std::string_view bytes, const std::string& name, const DecodeOptions& options) {
  if (bytes.empty()) throw Error(ErrorKind::kCorrupt, name + ": the file is empty");
  const FormatMatch match = recognise(bytes);
  switch (match.format) {
    case Format::kUnknown:
      throw Error(ErrorKind::kCorrupt,
                  name + ": unknown picture format; JPEG, PNG, WebP, GIF, BMP or TIFF expected");
    case Format::kOther:
      throw Error(ErrorKind::kUnsupported,
                  name + ": recognised as " + match.name +
                      ", which is not supported; JPEG, PNG, WebP, GIF, BMP or TIFF expected");
    case Format::kJpeg: {
      JpegPicture jpeg = decode_jpeg(bytes, name, options.max_pixels, options.enough_edge);
      if (options.orientation == Orientation::kIgnore) return std::move(jpeg.picture);
      return turned(std::move(jpeg.picture), jpeg.orientation);
    }
    case Format::kBmp:
      return decode_bmp(bytes, name, options.max_pixels);
    case Format::kGif:
      return decode_gif(bytes, match, name, options.max_pixels);
    default:
      break;
  }
  bool clip_gray = match.format == Format::kTiff;
  if (match.format == Format::kPng) {
    check_png(bytes, name, options.max_pixels);
    clip_gray = bytes[25] == 0;  // colour type: gray without alpha
  }
  const Source source{bytes, match.format, match.name, name};
  VipsImageHandle image = open(source, options.max_pixels);
  const int orientation = vips_image_get_orientation(image.get());
  Picture picture = read_pixels(std::move(image), clip_gray, source);
  if (options.orientation == Orientation::kIgnore) return picture;
  return turned(std::move(picture), orientation);
}

}  // namespace

Picture decode_picture(std::string_view bytes, const std::string& name,
                       const DecodeOptions& options) {
  Picture picture = decode(bytes, name, options);
  const auto& alpha = picture.alpha;
  if (std::all_of(alpha.begin(), alpha.end(), [](int one) { return one == 255; })) {
    picture.alpha = {};
  }
  return picture;
}

std::string media_type(std::string_view bytes) { return recognise(bytes).media_type; }

bool has_picture_extension(std::string_view path) {
  const std::size_t dot = path.find_last_of("./");
  if (dot == std::string_view::npos || path[dot] != '.') return false;
  std::string extension(path.substr(dot + 1));
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array<std::string_view, 8> kKnown{"jpg", "jpeg", "png", "webp",
                                                   "gif", "bmp",  "tif", "tiff"};
  return std::find(kKnown.begin(), kKnown.end(), extension) != kKnown.end();
}

}  // namespace pgmmr
