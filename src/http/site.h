// The web page's files, compiled in.
//
// page/dist, as the page's own build leaves it, becomes one read-only block in the program
// (cmake/site.cmake, pack_site.cc), each file as it is and compressed by Brotli and gzip. Without
// page/dist the program is built all the same and shows a page that says what it answers.
#pragma once

#include <span>
#include <string_view>

namespace pgmmr {

struct SiteFile {
  std::string_view path;  // "/index.html"
  std::string_view type;
  std::string_view etag;                 // quoted
  std::string_view plain, brotli, gzip;  // the compressed ones empty where they save nothing
};

std::span<const SiteFile> site_files();

}  // namespace pgmmr
