#include "image/format.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace pgmmr {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view prefix;
  Format format;
  std::string_view name;
  std::string_view media_type;
};

constexpr std::array kSignatures{
    Signature{"\xFF\xD8\xFF"sv, Format::kJpeg, "JPEG", "image/jpeg"},
    Signature{"\x89PNG\r\n\x1A\n"sv, Format::kPng, "PNG", "image/png"},
    Signature{"GIF87a"sv, Format::kGif, "GIF", "image/gif"},
    Signature{"GIF89a"sv, Format::kGif, "GIF", "image/gif"},
    Signature{"II*\0"sv, Format::kTiff, "TIFF", "image/tiff"},
    Signature{"MM\0*"sv, Format::kTiff, "TIFF", "image/tiff"},
    Signature{"II+\0"sv, Format::kTiff, "TIFF", "image/tiff"},
    Signature{"MM\0+"sv, Format::kTiff, "TIFF", "image/tiff"},
    Signature{"\0\0\0\x0CJXL \r\n"sv, Format::kOther, "JPEG XL picture", "image/jxl"},
    Signature{"\xFF\x0A"sv, Format::kOther, "JPEG XL picture", "image/jxl"},
    Signature{"\0\0\0\x0CjP  \r\n"sv, Format::kOther, "JPEG 2000 picture", "image/jp2"},
    Signature{"\xFF\x4F\xFF\x51"sv, Format::kOther, "JPEG 2000 picture", "image/jp2"},
    Signature{"%PDF-"sv, Format::kOther, "PDF document", "application/pdf"},
    Signature{"%!PS"sv, Format::kOther, "PostScript document", "application/postscript"},
    Signature{"8BPS"sv, Format::kOther, "Photoshop document", "image/vnd.adobe.photoshop"},
    Signature{"\0\0\1\0"sv, Format::kOther, "Windows icon", "image/vnd.microsoft.icon"},
    Signature{"qoif"sv, Format::kOther, "QOI picture", "image/qoi"},
    Signature{"v/1\x01"sv, Format::kOther, "OpenEXR picture", "image/x-exr"},
    Signature{"PK\3\4"sv, Format::kOther, "ZIP archive", "application/zip"},
    Signature{"\x1F\x8B\x08"sv, Format::kOther, "gzip file", "application/gzip"},
    Signature{"PAR1"sv, Format::kOther, "Parquet file", "application/vnd.apache.parquet"},
    Signature{"\x1A\x45\xDF\xA3"sv, Format::kOther, "Matroska or WebM video", "video/webm"},
    Signature{"version https://git-lfs"sv, Format::kOther,
              "Git LFS pointer, not the file it stands for", "text/plain"},
};

FormatMatch match(Format format, std::string_view name, std::string_view media_type) {
  return {format, std::string(name), std::string(media_type)};
}

// ISO base media files (ISO/IEC 14496-12): the brands in the first box tell HEIC from AVIF from
// video.
FormatMatch recognise_iso_media(std::string_view bytes) {
  const std::string_view brands = bytes.substr(8, 64);
  const auto has = [&](std::initializer_list<std::string_view> names) {
    return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
      return brands.find(name) != std::string_view::npos;
    });
  };
  if (has({"avif", "avis"})) return match(Format::kOther, "AVIF picture", "image/avif");
  if (has({"heic", "heix", "hevc", "heim", "heis", "mif1", "msf1"})) {
    return match(Format::kOther, "HEIC/HEIF picture", "image/heic");
  }
  return match(Format::kOther, "MP4 or QuickTime video", "video/mp4");
}

// The DIB header's size right after the file header tells a BMP from a text that begins with "BM".
bool is_bmp(std::string_view bytes) {
  if (!bytes.starts_with("BM")) return false;
  if (bytes.size() < 18) return true;
  return bytes[15] == 0 && bytes[16] == 0 && bytes[17] == 0;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

FormatMatch recognise_text(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  const bool text = std::none_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7F || (byte < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f');
  });
  if (!text) return match(Format::kUnknown, "", "application/octet-stream");
  const std::size_t start = bytes.find_first_not_of(" \t\r\n\f");
  const std::string head = lower(bytes.substr(start == std::string_view::npos ? 0 : start));
  if (head.starts_with("<")) {
    for (const auto* tag : {"<!doctype html", "<html", "<head", "<body"}) {
      if (head.find(tag) != std::string::npos) {
        return match(Format::kOther, "HTML page (a failed download?)", "text/html");
      }
    }
    if (head.find("<svg") != std::string::npos) {
      return match(Format::kOther, "SVG drawing", "image/svg+xml");
    }
    if (head.starts_with("<?xml")) return match(Format::kOther, "XML file", "application/xml");
  }
  // Text in a legacy encoding has bytes above 127 as well, but so has noise: only ASCII and what
  // looks like UTF-8 is called text.
  const auto high = std::count_if(bytes.begin(), bytes.end(),
                                  [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  if (high * 2 > static_cast<std::ptrdiff_t>(bytes.size())) {
    return match(Format::kUnknown, "", "application/octet-stream");
  }
  return match(Format::kOther, "text file", "text/plain");
}

}  // namespace

FormatMatch recognise(std::string_view bytes) {
  bytes = bytes.substr(0, 1024);
  if (bytes.empty()) return match(Format::kUnknown, "", "application/octet-stream");
  for (const auto& signature : kSignatures) {
    if (bytes.starts_with(signature.prefix)) {
      return match(signature.format, signature.name, signature.media_type);
    }
  }
  if (bytes.starts_with("RIFF") && bytes.size() >= 12) {
    if (bytes.substr(8, 4) == "WEBP") return match(Format::kWebp, "WebP", "image/webp");
    return match(Format::kOther, "RIFF file (sound or video)", "application/octet-stream");
  }
  if (is_bmp(bytes)) return match(Format::kBmp, "BMP", "image/bmp");
  if (bytes.size() >= 12 && bytes.substr(4, 4) == "ftyp") return recognise_iso_media(bytes);
  return recognise_text(bytes);
}

}  // namespace pgmmr
