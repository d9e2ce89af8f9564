#include "image/jpeg.h"

#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdio>  // jpeglib.h needs it

#include "base/error.h"
#include "image/cmyk.h"
#include "image/limits.h"
#include "image/reduced_jpeg.h"

namespace pgmmr {
namespace {

constexpr int kExifMarker = JPEG_APP0 + 1;

// Each scan of a progressive file walks through the whole picture, and a scan may be a few bytes:
// without a limit a small file keeps a core busy for minutes. Encoders write about ten.
constexpr int kMostScans = 100;

// libjpeg's state and what its callbacks leave behind. Nothing here owns memory that a longjmp
// would lose: libjpeg's own is freed by the destructor.
struct Reader {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_source_mgr source{};
  jpeg_progress_mgr progress{};
  std::jmp_buf after_error;
  bool ends_early = false;
  bool too_many_scans = false;
  std::array<char, JMSG_LENGTH_MAX> complaint{};

  explicit Reader(std::string_view bytes);
  ~Reader() { jpeg_destroy_decompress(&jpeg); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

Reader& reader_of(j_common_ptr jpeg) { return *static_cast<Reader*>(jpeg->client_data); }
Reader& reader_of(j_decompress_ptr jpeg) { return *static_cast<Reader*>(jpeg->client_data); }

[[noreturn]] void on_error(j_common_ptr jpeg) {
  Reader& reader = reader_of(jpeg);
  jpeg->err->format_message(jpeg, reader.complaint.data());
  std::longjmp(reader.after_error, 1);
}

// Warnings are about data that Pillow takes as well. On stderr they would only be noise.
void on_message(j_common_ptr, int) {}

// All bytes are there from the start: whoever asks for more has come to the end too early. libjpeg
// would go on with gray, and half a picture is none.
boolean on_end(j_decompress_ptr jpeg) {
  reader_of(jpeg).ends_early = true;
  ERREXIT(jpeg, JERR_INPUT_EOF);
  return FALSE;
}

void on_skip(j_decompress_ptr jpeg, long count) {
  if (count <= 0) return;
  jpeg_source_mgr& source = *jpeg->src;
  const auto skipped = static_cast<std::size_t>(count);
  if (skipped > source.bytes_in_buffer) on_end(jpeg);
  source.next_input_byte += skipped;
  source.bytes_in_buffer -= skipped;
}

void on_progress(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= kMostScans) return;
  reader_of(jpeg).too_many_scans = true;
  ERREXIT(jpeg, JERR_BAD_PROGRESSION);
}

Reader::Reader(std::string_view bytes) {
  jpeg.err = jpeg_std_error(&errors);
  jpeg.client_data = this;
  errors.error_exit = on_error;
  errors.emit_message = on_message;
  source.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
  source.bytes_in_buffer = bytes.size();
  source.init_source = [](j_decompress_ptr) {};
  source.fill_input_buffer = on_end;
  source.skip_input_data = on_skip;
  source.resync_to_restart = jpeg_resync_to_restart;
  source.term_source = [](j_decompress_ptr) {};
  progress.progress_monitor = on_progress;
}

// Runs libjpeg calls; false where one of them failed. No object with a destructor may live in
// `calls`: an error jumps over it.
template <typename Calls>
bool succeeds(Reader& reader, Calls calls) {
  if (setjmp(reader.after_error) != 0) return false;
  calls();
  return true;
}

[[noreturn]] void refuse(const Reader& reader, const std::string& name) {
  std::string reason = "is damaged";
  if (reader.ends_early) reason = "ends early";
  if (reader.too_many_scans) reason = "has more than " + std::to_string(kMostScans) + " scans";
  throw Error(ErrorKind::kCorrupt,
              name + ": the JPEG data " + reason + " (" + reader.complaint.data() + ")");
}

int largest_reduction(int width, int height, int enough_edge) {
  if (enough_edge <= 0) return 1;
  int reduction = 1;
  // libjpeg rounds sizes up.
  while (reduction < 8 &&
         (std::min(width, height) + 2 * reduction - 1) / (2 * reduction) >= enough_edge) {
    reduction *= 2;
  }
  return reduction;
}

void read_rows(Reader& reader, Picture& picture, std::uint8_t* cmyk_row) {
  jpeg_decompress_struct& jpeg = reader.jpeg;
  const std::size_t row_bytes = static_cast<std::size_t>(picture.width) * 3;
  while (jpeg.output_scanline < jpeg.output_height) {
    std::uint8_t* to = picture.rgb.data() + jpeg.output_scanline * row_bytes;
    if (cmyk_row == nullptr) {
      // It makes a few rows at once, and hands them out one by one to who asks for one.
      std::array<JSAMPROW, 8> rows{};
      const auto count =
          std::min<std::size_t>(rows.size(), jpeg.output_height - jpeg.output_scanline);
      for (std::size_t i = 0; i < count; ++i) rows[i] = to + i * row_bytes;
      jpeg_read_scanlines(&jpeg, rows.data(), static_cast<JDIMENSION>(count));
    } else {
      JSAMPROW row = cmyk_row;
      if (jpeg_read_scanlines(&jpeg, &row, 1) != 1) continue;
      // Adobe's programs write CMYK inverted. Pillow takes it so from anybody.
      for (int i = 0; i < picture.width * 4; ++i) row[i] = static_cast<JSAMPLE>(255 - row[i]);
      for (std::ptrdiff_t x = 0; x < picture.width; ++x) cmyk_to_rgb(row + 4 * x, to + 3 * x);
    }
  }
}

}  // namespace

JpegPicture decode_jpeg(std::string_view bytes, const std::string& name, std::int64_t max_pixels,
                        int enough_edge) {
  Reader reader(bytes);
  jpeg_decompress_struct& jpeg = reader.jpeg;
  const bool opened = succeeds(reader, [&] {
    jpeg_create_decompress(&jpeg);
    jpeg.src = &reader.source;
    jpeg.progress = &reader.progress;
    // A progressive file keeps all coefficients, 2 bytes each.
    jpeg.mem->max_memory_to_use = static_cast<long>(max_pixels * 4 + (1 << 20));
    jpeg_save_markers(&jpeg, kExifMarker, 0xFFFF);
    jpeg_read_header(&jpeg, TRUE);
  });
  if (!opened) refuse(reader, name);
  const auto width = static_cast<int>(jpeg.image_width);
  const auto height = static_cast<int>(jpeg.image_height);
  check_dimensions(width, height, max_pixels, "JPEG", name);
  const bool is_cmyk = jpeg.num_components == 4;
  if (jpeg.num_components != 1 && jpeg.num_components != 3 && !is_cmyk) {
    throw Error(ErrorKind::kUnsupported,
                name + ": the JPEG data has " + std::to_string(jpeg.num_components) +
                    " components; 1 (gray), 3 (colour) or 4 (CMYK) expected");
  }

  JpegPicture result;
  for (const jpeg_marker_struct* marker = jpeg.marker_list; marker != nullptr;
       marker = marker->next) {
    if (marker->marker != kExifMarker) continue;
    const std::string_view segment(reinterpret_cast<const char*>(marker->data),
                                   marker->data_length);
    if (!segment.starts_with("Exif")) continue;
    result.orientation = exif_orientation(segment);
    break;
  }
  const int reduction = largest_reduction(width, height, enough_edge);
  if (reduction > 1) {
    result.picture =
        Picture((width + reduction - 1) / reduction, (height + reduction - 1) / reduction);
    result.picture.whole_width = width;
    result.picture.whole_height = height;
    const std::span scan(reader.source.next_input_byte, reader.source.bytes_in_buffer);
    if (reduction > 2 && read_reduced(jpeg, scan, reduction, result.picture)) return result;
  }
  const bool started = succeeds(reader, [&] {
    jpeg.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
    jpeg.scale_num = 1;
    jpeg.scale_denom = static_cast<unsigned>(reduction);
    jpeg_start_decompress(&jpeg);
  });
  if (!started) refuse(reader, name);
  if (reduction == 1) result.picture = Picture(width, height);
  std::vector<std::uint8_t> cmyk_row(is_cmyk ? std::size_t{4} * jpeg.output_width : 0);
  std::uint8_t* const row = is_cmyk ? cmyk_row.data() : nullptr;
  // Not finished: what comes after the last row doesn't matter.
  if (!succeeds(reader, [&] { read_rows(reader, result.picture, row); })) refuse(reader, name);
  return result;
}

// TIFF 6.0, section 2, as EXIF 2.3 uses it: byte order, the place of the first directory, its
// entries of 12 bytes.
int exif_orientation(std::string_view segment) {
  if (!segment.starts_with(std::string_view("Exif\0\0", 6))) return 1;
  const std::string_view tiff = segment.substr(6);
  const bool big = tiff.starts_with("MM");
  if (!big && !tiff.starts_with("II")) return 1;
  const auto number = [&](std::size_t at, std::size_t size) -> std::uint32_t {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const auto byte = static_cast<unsigned char>(tiff[at + (big ? i : size - 1 - i)]);
      value = value << 8 | byte;
    }
    return value;
  };
  if (tiff.size() < 8 || number(2, 2) != 42) return 1;
  const std::size_t directory = number(4, 4);
  if (directory > tiff.size() || tiff.size() - directory < 2) return 1;
  const std::size_t entries =
      std::min<std::size_t>(number(directory, 2), (tiff.size() - directory - 2) / 12);
  constexpr std::uint32_t kOrientation = 0x0112, kShort = 3, kLong = 4;
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (number(entry, 2) != kOrientation) continue;
    const std::uint32_t type = number(entry + 2, 2);
    if ((type != kShort && type != kLong) || number(entry + 4, 4) < 1) return 1;
    const std::uint32_t value = number(entry + 8, type == kShort ? 2 : 4);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace pgmmr
