#include "http/request_log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cmath>

#include "http/json_body.h"

namespace pgmmr {
namespace {

struct Log {
  std::shared_ptr<spdlog::logger> lines;
  bool json = false, quiet = true;  // until started
};

Log& log() {
  static Log only;
  return only;
}

// Bytes that would move a terminal's cursor, or break a line, as \xNN.
std::string harmless(const std::string& text) {
  std::string result;
  for (const char c : text.substr(0, 500)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

std::string stamp() {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:03}Z", text.data(), ms.count() % 1000);
}

void event(const char* level, const std::string& id, const std::string& what) {
  if (!log().lines) return;
  if (!log().json) {
    log().lines->info("{}{}{}", harmless(what), id.empty() ? "" : "  ", id);
    return;
  }
  nlohmann::ordered_json line = {{"time", stamp()}, {"level", level}, {"message", what}};
  if (!id.empty()) line["id"] = id;
  log().lines->info("{}", to_text(line));
}

}  // namespace

void start_log(bool quiet) {
  Log& it = log();
  it.quiet = quiet;
  it.json = isatty(STDERR_FILENO) == 0;
  it.lines =
      std::make_shared<spdlog::logger>("pgmmr", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  it.lines->set_pattern(it.json ? "%v" : "%H:%M:%S  %v");
}

void log_request(const WebRequest& request, int status, std::uint64_t bytes, double ms) {
  if (!log().lines || log().quiet) return;
  if (!log().json) {
    log().lines->info("{} {:<4} {}  {:.1f} ms  {} B  {}  {}", status,
                      request.method.empty() ? "-" : request.method,
                      request.path.empty() ? "-" : harmless(request.path), ms, bytes, request.peer,
                      request.id);
    return;
  }
  const nlohmann::ordered_json line = {{"time", stamp()},
                                       {"level", "info"},
                                       {"id", request.id},
                                       {"peer", request.peer},
                                       {"method", request.method},
                                       {"path", request.path.substr(0, 500)},
                                       {"status", status},
                                       {"ms", std::round(ms * 10) / 10},
                                       {"bytes", bytes}};
  log().lines->info("{}", to_text(line));
}

void log_failure(const std::string& request_id, const std::string& what) {
  event("error", request_id, what);
}

void log_event(const std::string& what) { event("info", "", what); }

}  // namespace pgmmr
