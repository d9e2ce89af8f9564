// What a file is, by its first bytes: picture formats that are read, and things that are often
// found in their place.
#pragma once

#include <string>
#include <string_view>

namespace pgmmr {

enum class Format {
  kJpeg,
  kPng,
  kWebp,
  kGif,
  kBmp,
  kTiff,
  kOther,  // recognised, not read: FormatMatch::name says what it is
  kUnknown,
};

struct FormatMatch {
  Format format = Format::kUnknown;
  std::string name;        // "JPEG", "HEIC/HEIF picture", "HTML page" ...; empty where unknown
  std::string media_type;  // "application/octet-stream" where unknown
};

// The content decides. Looks at the first kilobyte only.
FormatMatch recognise(std::string_view bytes);

}  // namespace pgmmr
