#include "image/gif_frame.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "image/limits.h"

namespace pgmmr {
namespace {

class Cursor {
 public:
  Cursor(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  std::string_view take(std::size_t count) {
    if (count > bytes_.size() - at_)
      fail("ends early, after " + std::to_string(bytes_.size()) + " bytes");
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }
  int u8() { return static_cast<unsigned char>(take(1)[0]); }
  int u16() {
    const int low = u8();
    return low | u8() << 8;
  }
  bool at_end() const { return at_ == bytes_.size(); }
  std::size_t position() const { return at_; }
  std::string_view since(std::size_t begin) const { return bytes_.substr(begin, at_ - begin); }

  void skip_sub_blocks() {
    while (const int size = u8()) take(static_cast<std::size_t>(size));
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kCorrupt, name_ + ": the GIF file " + what);
  }

 private:
  std::string_view bytes_;
  const std::string& name_;
  std::size_t at_ = 0;
};

// Colour table flags: the top bit says that a table follows, the lowest three its size.
std::string_view take_table(Cursor& file, int flags) {
  if ((flags & 0x80) == 0) return {};
  return file.take(std::size_t{3} << ((flags & 7) + 1));
}

void append_u16(std::string& to, int value) {
  to += static_cast<char>(value & 0xFF);
  to += static_cast<char>(value >> 8 & 0xFF);
}

// A GIF of that frame's size, with 256 colours and these compressed indices.
std::string single_frame(const GifFrame& frame, int flags, std::string_view colours,
                         std::string_view indices) {
  std::string out = "GIF89a";
  append_u16(out, frame.width);
  append_u16(out, frame.height);
  out += '\xF7';  // a global table of 256 colours
  out.append(2, '\0');
  out += colours;
  out += '\x2C';
  append_u16(out, 0);
  append_u16(out, 0);
  append_u16(out, frame.width);
  append_u16(out, frame.height);
  out += static_cast<char>(flags & 0x40);  // interlaced or not
  out += indices;
  out += '\x3B';
  return out;
}

}  // namespace

GifFrame first_gif_frame(std::string_view bytes, const std::string& name, std::int64_t max_pixels) {
  Cursor file(bytes, name);
  file.take(6);  // GIF87a, GIF89a
  GifFrame frame;
  frame.canvas_width = file.u16();
  frame.canvas_height = file.u16();
  const int screen_flags = file.u8();
  file.take(2);  // background index, aspect: browsers and Pillow ignore both
  const std::string_view global = take_table(file, screen_flags);

  std::optional<std::size_t> transparent;
  for (;;) {
    if (file.at_end()) file.fail("holds no frame");
    const int block = file.u8();
    if (block == 0x2C) break;
    if (block == 0x3B) file.fail("holds no frame");
    if (block != 0x21) continue;  // stray bytes between blocks: Pillow skips them too
    if (file.u8() != 0xF9) {
      file.skip_sub_blocks();
      continue;
    }
    const std::size_t begin = file.position();
    file.skip_sub_blocks();
    const std::string_view control = file.since(begin);
    if (control.size() >= 5 && (control[1] & 1) != 0) {
      transparent = static_cast<unsigned char>(control[4]);
    }
  }

  frame.left = file.u16();
  frame.top = file.u16();
  frame.width = file.u16();
  frame.height = file.u16();
  const int frame_flags = file.u8();
  check_dimensions(frame.width, frame.height, max_pixels, "GIF", name);
  frame.canvas_width = std::max(frame.canvas_width, frame.left + frame.width);
  frame.canvas_height = std::max(frame.canvas_height, frame.top + frame.height);
  check_dimensions(frame.canvas_width, frame.canvas_height, max_pixels, "GIF", name);

  const std::string_view local = take_table(file, frame_flags);
  const std::string_view table = local.empty() ? global : local;
  std::string colours(table);
  // Without any table the indices are gray levels; past the end of one they are black.
  for (std::size_t i = colours.size() / 3; i < 256; ++i) {
    colours.append(3, table.empty() ? static_cast<char>(i) : '\0');
  }
  for (std::size_t i = 0; i < 3; ++i) {
    frame.background[i] = static_cast<std::uint8_t>(colours[transparent.value_or(0) * 3 + i]);
  }

  const std::size_t begin = file.position();
  const int code_size = file.u8();
  if (code_size < 1 || code_size > 8) {
    file.fail("has a code size of " + std::to_string(code_size) + ", 1 to 8 expected");
  }
  file.skip_sub_blocks();

  const std::string_view indices = file.since(begin);
  frame.file = single_frame(frame, frame_flags, colours, indices);
  if (transparent) {
    std::string black_and_white(colours.size(), '\xFF');
    black_and_white.replace(*transparent * 3, 3, 3, '\0');
    frame.mask = single_frame(frame, frame_flags, black_and_white, indices);
  }
  return frame;
}

}  // namespace pgmmr
