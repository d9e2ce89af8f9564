#include "image/bmp.h"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "base/error.h"
#include "image/limits.h"

namespace pgmmr {
namespace {

enum Compression : std::uint32_t {
  kRaw = 0,
  kRle8 = 1,
  kRle4 = 2,
  kBitFields = 3,
  kAlphaFields = 6
};

using Colour = std::array<std::uint8_t, 3>;

struct Header {
  std::uint32_t header_size = 0;
  std::size_t pixels_at = 0;
  int width = 0;
  int height = 0;
  bool top_down = false;
  int bits = 0;
  std::uint32_t compression = kRaw;
  std::array<std::uint32_t, 3> masks{};  // red, green, blue
  std::vector<Colour> palette;           // 256 entries where bits <= 8
};

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  std::uint8_t u8(std::size_t at) const {
    if (at >= bytes_.size()) fail("ends early");
    return static_cast<std::uint8_t>(bytes_[at]);
  }
  std::uint32_t u16(std::size_t at) const { return u8(at) | std::uint32_t{u8(at + 1)} << 8; }
  std::uint32_t u32(std::size_t at) const { return u16(at) | u16(at + 2) << 16; }
  std::string_view bytes() const { return bytes_; }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kCorrupt, name_ + ": the BMP file " + what);
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    throw Error(ErrorKind::kUnsupported, name_ + ": a BMP file with " + what + " is not supported");
  }

 private:
  std::string_view bytes_;
  const std::string& name_;
};

Header read_header(const Reader& file, const std::string& name, std::int64_t max_pixels) {
  Header header;
  header.header_size = file.u32(14);
  header.pixels_at = file.u32(10);
  std::int64_t width = 0, height = 0;
  std::uint32_t colours = 0;
  const bool os2 = header.header_size == 12;
  if (os2) {
    width = file.u16(18);
    height = file.u16(20);
    header.bits = static_cast<int>(file.u16(24));
  } else if (header.header_size >= 40 && header.header_size <= 124) {
    width = static_cast<std::int32_t>(file.u32(18));
    height = static_cast<std::int32_t>(file.u32(22));
    header.bits = static_cast<int>(file.u16(28));
    header.compression = file.u32(30);
    colours = file.u32(46);
  } else {
    file.unsupported("a header of " + std::to_string(header.header_size) + " bytes");
  }
  header.top_down = height < 0;
  height = header.top_down ? -height : height;
  check_dimensions(width, height, max_pixels, "BMP", name);
  header.width = static_cast<int>(width);
  header.height = static_cast<int>(height);

  const std::array allowed{1, 4, 8, 16, 24, 32};
  if (std::find(allowed.begin(), allowed.end(), header.bits) == allowed.end()) {
    file.unsupported(std::to_string(header.bits) + " bits a pixel");
  }
  const bool fields = header.compression == kBitFields || header.compression == kAlphaFields;
  const bool fits = header.compression == kRaw ||
                    (header.compression == kRle8 && header.bits == 8) ||
                    (header.compression == kRle4 && header.bits == 4) ||
                    (fields && (header.bits == 16 || header.bits == 32));
  if (!fits) {
    file.unsupported("compression " + std::to_string(header.compression) + " of " +
                     std::to_string(header.bits) + " bits a pixel");
  }

  std::size_t at = 14 + header.header_size;
  if (header.bits == 16) header.masks = {0x7C00, 0x03E0, 0x001F};
  if (header.bits == 32) header.masks = {0xFF0000, 0x00FF00, 0x0000FF};
  if (fields) {
    // The masks follow a 40 byte header and are part of the longer ones: the same place.
    for (std::size_t i = 0; i < 3; ++i) header.masks[i] = file.u32(54 + 4 * i);
    if (header.header_size == 40) at += header.compression == kAlphaFields ? 16 : 12;
    for (const std::uint32_t mask : header.masks) {
      const std::uint32_t run = mask == 0 ? 0 : mask >> std::countr_zero(mask);
      if ((run & (run + 1)) != 0) file.fail("has a colour mask with gaps");
    }
  }
  if (header.bits <= 8) {
    header.palette.assign(256, Colour{});
    const std::size_t entry = os2 ? 3 : 4;
    const std::uint32_t most = 1U << header.bits;
    const std::uint32_t count = colours == 0 ? most : std::min(colours, most);
    for (std::uint32_t i = 0; i < count; ++i, at += entry) {
      // Some writers store fewer OS/2 colours than the depth allows: the pixels begin earlier.
      if (os2 && header.pixels_at != 0 && at + entry > header.pixels_at) break;
      header.palette[i] = {file.u8(at + 2), file.u8(at + 1), file.u8(at)};
    }
  }
  if (header.pixels_at == 0) header.pixels_at = at;
  if (header.pixels_at < 14 + std::size_t{header.header_size} ||
      header.pixels_at >= file.bytes().size()) {
    file.fail("says its pixels begin at byte " + std::to_string(header.pixels_at) + " of " +
              std::to_string(file.bytes().size()));
  }
  return header;
}

// A sample of any width to 8 bits, rounded down as Pillow does for 5 and 6 bits: v * 255 / max.
class Field {
 public:
  explicit Field(std::uint32_t mask)
      : mask_(mask), shift_(mask == 0 ? 0 : std::countr_zero(mask)), max_(mask >> shift_) {}
  std::uint8_t operator()(std::uint32_t pixel) const {
    if (max_ == 0) return 0;
    if (max_ == 255) return static_cast<std::uint8_t>((pixel & mask_) >> shift_);
    return static_cast<std::uint8_t>(std::uint64_t{(pixel & mask_) >> shift_} * 255 / max_);
  }

 private:
  std::uint32_t mask_;
  int shift_;
  std::uint32_t max_;
};

void decode_row(const Header& header, const std::uint8_t* from, std::uint8_t* to) {
  const int width = header.width;
  if (header.bits <= 8) {
    const int mask = (1 << header.bits) - 1;
    for (int x = 0; x < width; ++x, to += 3) {
      const int bit = x * header.bits;
      const int index = from[bit / 8] >> (8 - header.bits - bit % 8) & mask;
      std::copy_n(header.palette[static_cast<std::size_t>(index)].begin(), 3, to);
    }
  } else if (header.bits == 24) {
    for (int x = 0; x < width; ++x, to += 3, from += 3) {
      to[0] = from[2];
      to[1] = from[1];
      to[2] = from[0];
    }
  } else {
    const Field red(header.masks[0]), green(header.masks[1]), blue(header.masks[2]);
    const int size = header.bits / 8;
    for (int x = 0; x < width; ++x, to += 3, from += size) {
      std::uint32_t pixel = from[0] | std::uint32_t{from[1]} << 8;
      if (size == 4) pixel |= std::uint32_t{from[2]} << 16 | std::uint32_t{from[3]} << 24;
      to[0] = red(pixel);
      to[1] = green(pixel);
      to[2] = blue(pixel);
    }
  }
}

// Run lengths to palette indices, in the file's row order; what no run reaches stays index 0.
std::vector<std::uint8_t> decode_runs(const Header& header, const Reader& file) {
  const auto width = static_cast<std::size_t>(header.width);
  const auto height = static_cast<std::size_t>(header.height);
  std::vector<std::uint8_t> indices(width * height, 0);
  const bool nibbles = header.compression == kRle4;
  std::size_t at = header.pixels_at, x = 0, y = 0;
  const auto put = [&](std::uint8_t index) {
    if (x < width && y < height) indices[y * width + x] = index;
    ++x;
  };
  while (y < height) {
    // As with Pillow, the last row may lack its end marker.
    if (at >= file.bytes().size() && y + 1 == height && x >= width) break;
    const std::uint8_t count = file.u8(at);
    const std::uint8_t value = file.u8(at + 1);
    at += 2;
    if (count > 0) {
      for (int i = 0; i < count; ++i) {
        put(nibbles ? static_cast<std::uint8_t>(i % 2 == 0 ? value >> 4 : value & 15) : value);
      }
    } else if (value == 0) {
      x = 0;
      ++y;
    } else if (value == 1) {
      break;
    } else if (value == 2) {
      x += file.u8(at);
      y += file.u8(at + 1);
      at += 2;
    } else {
      for (int i = 0; i < value; ++i) {
        const std::uint8_t byte = file.u8(at + static_cast<std::size_t>(nibbles ? i / 2 : i));
        put(nibbles ? static_cast<std::uint8_t>(i % 2 == 0 ? byte >> 4 : byte & 15) : byte);
      }
      const std::size_t used = nibbles ? (std::size_t{value} + 1) / 2 : value;
      at += used + used % 2;
    }
  }
  return indices;
}

}  // namespace

Picture decode_bmp(std::string_view bytes, const std::string& name, std::int64_t max_pixels) {
  const Reader file(bytes, name);
  const Header header = read_header(file, name, max_pixels);
  const auto width = static_cast<std::size_t>(header.width);
  const auto height = static_cast<std::size_t>(header.height);
  const bool runs = header.compression == kRle8 || header.compression == kRle4;
  const std::size_t row_bits = width * static_cast<std::size_t>(header.bits);
  const std::size_t stride = (row_bits + 31) / 32 * 4;
  if (!runs) {
    // The padding behind the last row may be missing.
    const std::size_t needed = stride * (height - 1) + (row_bits + 7) / 8;
    const std::size_t found = bytes.size() - header.pixels_at;
    if (found < needed) {
      file.fail("ends early: " + std::to_string(found) + " of " + std::to_string(needed) +
                " bytes of pixels");
    }
  }
  std::vector<std::uint8_t> indices;
  if (runs) indices = decode_runs(header, file);

  Picture picture(header.width, header.height);
  const auto* pixels = reinterpret_cast<const std::uint8_t*>(bytes.data()) + header.pixels_at;
  for (std::size_t y = 0; y < height; ++y) {
    std::uint8_t* to = picture.rgb.data() + (header.top_down ? y : height - 1 - y) * width * 3;
    if (runs) {
      for (std::size_t x = 0; x < width; ++x) {
        std::copy_n(header.palette[indices[y * width + x]].begin(), 3, to + 3 * x);
      }
    } else {
      decode_row(header, pixels + y * stride, to);
    }
  }
  return picture;
}

}  // namespace pgmmr
