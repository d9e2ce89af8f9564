// Drawn with Cairo and Pango, which libvips brings along: Pango cuts lines and picks fonts for
// every script.
#include "image/contact_sheet.h"

#include <pango/pangocairo.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/error.h"
#include "image/flatten.h"
#include "image/resize.h"

namespace pgmmr {
namespace {

// Pixels.
constexpr int kMargin = 32;
constexpr int kGap = 20;
constexpr int kCard = 232;
constexpr int kInset = 12;
constexpr int kPictureSide = kCard - 2 * kInset;
constexpr int kCaptionHeight = 46;
constexpr int kNoteHeight = 20;
constexpr int kCardHeight = kInset + kPictureSide + kInset + kCaptionHeight + kNoteHeight + kInset;
constexpr int kTitleHeight = 48;
constexpr double kRadius = 10;
constexpr int kMostEnlarged = 3;  // small pictures grow at most so many times

struct Colour {
  double red, green, blue;
};
constexpr Colour kPage{0.957, 0.957, 0.965};
constexpr Colour kPaper{1, 1, 1};
constexpr Colour kEdge{0.87, 0.87, 0.89};
constexpr Colour kInk{0.11, 0.11, 0.13};
constexpr Colour kGray{0.44, 0.44, 0.48};

struct SurfaceDeleter {
  void operator()(cairo_surface_t* surface) const noexcept { cairo_surface_destroy(surface); }
};
using Surface = std::unique_ptr<cairo_surface_t, SurfaceDeleter>;

struct ContextDeleter {
  void operator()(cairo_t* context) const noexcept { cairo_destroy(context); }
};
using Context = std::unique_ptr<cairo_t, ContextDeleter>;

struct ObjectDeleter {
  void operator()(void* object) const noexcept { g_object_unref(object); }
};

void set_colour(cairo_t* cairo, const Colour& colour) {
  cairo_set_source_rgb(cairo, colour.red, colour.green, colour.blue);
}

void rounded_rectangle(cairo_t* cairo, double x, double y, double width, double height,
                       double radius) {
  cairo_new_sub_path(cairo);
  cairo_arc(cairo, x + width - radius, y + radius, radius, -M_PI / 2, 0);
  cairo_arc(cairo, x + width - radius, y + height - radius, radius, 0, M_PI / 2);
  cairo_arc(cairo, x + radius, y + height - radius, radius, M_PI / 2, M_PI);
  cairo_arc(cairo, x + radius, y + radius, radius, M_PI, 3 * M_PI / 2);
  cairo_close_path(cairo);
}

// Text is plain, never markup. What does not fit into so many lines ends in an ellipsis.
void draw_text(cairo_t* cairo, const std::string& text, double x, double y, int width, int lines,
               int pixels, bool bold, const Colour& colour) {
  const std::unique_ptr<PangoLayout, ObjectDeleter> layout(pango_cairo_create_layout(cairo));
  PangoFontDescription* font = pango_font_description_from_string("sans");
  pango_font_description_set_absolute_size(font, pixels * PANGO_SCALE);
  if (bold) pango_font_description_set_weight(font, PANGO_WEIGHT_SEMIBOLD);
  pango_layout_set_font_description(layout.get(), font);
  pango_font_description_free(font);
  pango_layout_set_width(layout.get(), width * PANGO_SCALE);
  pango_layout_set_wrap(layout.get(), PANGO_WRAP_WORD_CHAR);
  pango_layout_set_height(layout.get(), -lines);
  pango_layout_set_ellipsize(layout.get(), PANGO_ELLIPSIZE_END);
  std::string line = text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  char* valid = g_utf8_make_valid(line.data(), static_cast<gssize>(line.size()));
  pango_layout_set_text(layout.get(), valid, -1);
  g_free(valid);
  set_colour(cairo, colour);
  cairo_move_to(cairo, x, y);
  pango_cairo_show_layout(cairo, layout.get());
}

// Cairo's 32-bit pixels; the picture scaled to fit into a square of the given side.
Surface fitted(const Picture& picture, int side) {
  const double scale = std::min<double>(
      kMostEnlarged, static_cast<double>(side) / std::max(picture.width, picture.height));
  const auto scaled = [&](int pixels) {
    return std::clamp(static_cast<int>(std::lround(pixels * scale)), 1, side);
  };
  const Picture small = resize(flatten(picture), scaled(picture.width), scaled(picture.height));
  Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, small.width, small.height));
  unsigned char* bytes = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  for (int y = 0; y < small.height; ++y) {
    auto* out = reinterpret_cast<std::uint32_t*>(bytes + static_cast<std::ptrdiff_t>(y) * stride);
    const std::uint8_t* in = small.rgb.data() + static_cast<std::size_t>(y) * small.width * 3;
    for (int x = 0; x < small.width; ++x, in += 3) {
      out[x] =
          static_cast<std::uint32_t>(in[0]) << 16 | static_cast<std::uint32_t>(in[1]) << 8 | in[2];
    }
  }
  cairo_surface_mark_dirty(surface.get());
  return surface;
}

void draw_cell(cairo_t* cairo, const SheetCell& cell, double x, double y) {
  rounded_rectangle(cairo, x + 0.5, y + 0.5, kCard - 1, kCardHeight - 1, kRadius);
  set_colour(cairo, kPaper);
  cairo_fill_preserve(cairo);
  set_colour(cairo, kEdge);
  cairo_set_line_width(cairo, 1);
  cairo_stroke(cairo);

  const double left = x + kInset;
  const double top = y + kInset;
  if (cell.picture.width > 0) {
    const Surface surface = fitted(cell.picture, kPictureSide);
    const int width = cairo_image_surface_get_width(surface.get());
    const int height = cairo_image_surface_get_height(surface.get());
    cairo_set_source_surface(cairo, surface.get(), left + (kPictureSide - width) / 2,
                             top + (kPictureSide - height) / 2);
    cairo_paint(cairo);
  } else {
    rounded_rectangle(cairo, left, top, kPictureSide, kPictureSide, kRadius / 2);
    set_colour(cairo, kPage);
    cairo_fill(cairo);
    draw_text(cairo, "picture cannot be read", left + kInset, top + kPictureSide / 2.0 - 8,
              kPictureSide - 2 * kInset, 1, 13, false, kGray);
  }
  const double words = top + kPictureSide + kInset;
  draw_text(cairo, cell.caption, left, words, kPictureSide, 2, 14, false, kInk);
  draw_text(cairo, cell.note, left, words + kCaptionHeight, kPictureSide, 1, 12, false, kGray);
}

// Up to six columns: the number that leaves the fewest empty places, then the page that is nearest
// to 3:2.
int best_columns(int cells) {
  if (cells <= 4) return cells;
  const auto cost = [&](int columns) {
    const int rows = (cells + columns - 1) / columns;
    const double shape =
        std::log(static_cast<double>(columns * kCard) / (rows * kCardHeight) / 1.5);
    return (columns * rows - cells) + std::abs(shape);
  };
  int best = 3;
  for (int columns = 4; columns <= 6; ++columns) {
    if (cost(columns) < cost(best)) best = columns;
  }
  return best;
}

}  // namespace

Picture contact_sheet(const std::string& title, const std::vector<SheetCell>& cells) {
  if (cells.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "drawing a contact sheet: there are no pictures");
  }
  const int count = static_cast<int>(cells.size());
  const int columns = best_columns(count);
  const int rows = (count + columns - 1) / columns;
  const int head = title.empty() ? 0 : kTitleHeight;
  const int width = 2 * kMargin + columns * kCard + (columns - 1) * kGap;
  const int height = 2 * kMargin + head + rows * kCardHeight + (rows - 1) * kGap;

  const Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height));
  if (cairo_surface_status(surface.get()) != CAIRO_STATUS_SUCCESS) {
    throw Error(ErrorKind::kInvalidArgument,
                "drawing a contact sheet of " + std::to_string(count) +
                    " pictures: too large for one picture; ask for fewer");
  }
  const Context context(cairo_create(surface.get()));
  cairo_t* cairo = context.get();
  set_colour(cairo, kPage);
  cairo_paint(cairo);
  if (head > 0) {
    draw_text(cairo, title, kMargin, kMargin - 4, width - 2 * kMargin, 1, 22, true, kInk);
  }
  for (int i = 0; i < count; ++i) {
    draw_cell(cairo, cells[i], kMargin + (i % columns) * (kCard + kGap),
              kMargin + head + (i / columns) * (kCardHeight + kGap));
  }
  cairo_surface_flush(surface.get());

  Picture sheet(width, height);
  const unsigned char* bytes = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  std::uint8_t* out = sheet.rgb.data();
  for (int y = 0; y < height; ++y) {
    const auto* in =
        reinterpret_cast<const std::uint32_t*>(bytes + static_cast<std::ptrdiff_t>(y) * stride);
    for (int x = 0; x < width; ++x) {
      *out++ = static_cast<std::uint8_t>(in[x] >> 16);
      *out++ = static_cast<std::uint8_t>(in[x] >> 8);
      *out++ = static_cast<std::uint8_t>(in[x]);
    }
  }
  return sheet;
}

}  // namespace pgmmr
