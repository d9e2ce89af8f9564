#include "image/vips_library.h"

#include "base/error.h"

namespace pgmmr {

void start_vips() {
  static const bool started = [] {
    // Complaints about single files come back as errors; on stderr they would only be noise.
    g_log_set_handler(
        "VIPS", static_cast<GLogLevelFlags>(G_LOG_LEVEL_WARNING | G_LOG_LEVEL_INFO),
        [](const char*, GLogLevelFlags, const char*, void*) {}, nullptr);
    if (VIPS_INIT("pgmmr") != 0) return false;
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_block_untrusted_set(TRUE);
    return true;
  }();
  if (!started) {
    throw Error(ErrorKind::kInternal, "libvips could not be started: " + take_vips_complaint());
  }
}

std::string take_vips_complaint() {
  const std::unique_ptr<char, GFree> text(vips_error_buffer_copy());
  std::string line;
  for (const char c : std::string(text.get())) {
    if (c == '\n') {
      if (!line.empty() && line.back() != ';') line += ';';
    } else {
      if (!line.empty() && line.back() == ';') line += ' ';
      line += c;
    }
    if (line.size() > 300) break;
  }
  while (!line.empty() && (line.back() == ';' || line.back() == ' ')) line.pop_back();
  return line;
}

}  // namespace pgmmr
