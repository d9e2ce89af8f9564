#include "store/installation.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/settings.h"
#include "store/server_process.h"

namespace pgmmr {
namespace {

namespace fs = std::filesystem;

constexpr int kOldestMajor = 15;
// Folders that hold one folder a version, with bin inside, in Debian's, PGDG's and source layouts.
constexpr const char* kRoots[] = {"/usr/lib/postgresql", "/usr", "/usr/local", "/opt/postgresql"};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// "postgres (PostgreSQL) 15.18 (Debian …)" gives "15.18", "17beta1" stays whole.
std::string version_of(const fs::path& postgres) {
  const auto output = run_command({postgres.string(), "--version"});
  if (output.exit_code != 0) return "";
  const std::string line = first_line(output.text);
  const auto at = line.find(") ");
  if (at == std::string::npos) return "";
  const auto end = line.find(' ', at + 2);
  return line.substr(at + 2, end == std::string::npos ? end : end - at - 2);
}

std::string control_version(const fs::path& control) {
  std::ifstream in(control);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("default_version")) continue;
    const auto from = line.find('\''), to = line.rfind('\'');
    if (from != std::string::npos && to > from) return line.substr(from + 1, to - from - 1);
  }
  return "";
}

std::string pgvector_of(const fs::path& bin, int major) {
  std::vector<fs::path> shares = {fs::path("/usr/share/postgresql") / std::to_string(major),
                                  bin.parent_path() / "share",
                                  bin.parent_path() / "share/postgresql"};
  if (bin.parent_path().parent_path() != "/usr/lib/postgresql") shares.erase(shares.begin());
  if (fs::exists(bin / "pg_config")) {
    const auto output = run_command({(bin / "pg_config").string(), "--sharedir"});
    if (output.exit_code == 0) shares.insert(shares.begin(), first_line(output.text));
  }
  for (const auto& share : shares) {
    const auto version = control_version(share / "extension/vector.control");
    if (!version.empty()) return version;
  }
  return "";
}

std::vector<fs::path> bin_folders() {
  if (const auto named = environment("PGMMR_POSTGRES_BIN")) return {*named};
  std::vector<fs::path> found;
  std::error_code code;
  for (const char* root : kRoots) {
    for (const auto& entry : fs::directory_iterator(root, code)) {
      found.push_back(entry.path() / "bin");
    }
  }
  std::istringstream path(environment("PATH").value_or(""));
  for (std::string folder; std::getline(path, folder, ':');) {
    const auto pg_config = fs::path(folder) / "pg_config";
    if (!fs::exists(pg_config, code)) continue;
    const auto output = run_command({pg_config.string(), "--bindir"});
    if (output.exit_code == 0) found.emplace_back(first_line(output.text));
  }
  std::erase_if(found, [](const fs::path& bin) {
    std::error_code ignored;
    return !fs::exists(bin / "postgres", ignored) || !fs::exists(bin / "initdb", ignored);
  });
  std::ranges::sort(found);
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

int minor_of(const Installation& one) {
  const auto dot = one.version.find('.');
  int minor = 0;
  if (dot != std::string::npos) {
    std::from_chars(one.version.data() + dot + 1, one.version.data() + one.version.size(), minor);
  }
  return minor;
}

}  // namespace

std::vector<Installation> find_installations() {
  std::vector<Installation> found;
  for (const auto& bin : bin_folders()) {
    Installation one{bin, version_of(bin / "postgres"), 0, ""};
    std::from_chars(one.version.data(), one.version.data() + one.version.size(), one.major);
    if (one.major == 0) continue;
    one.pgvector_version = pgvector_of(bin, one.major);
    found.push_back(std::move(one));
  }
  std::ranges::stable_sort(found, [](const Installation& a, const Installation& b) {
    return std::pair(a.major, minor_of(a)) > std::pair(b.major, minor_of(b));
  });
  return found;
}

Installation choose_installation(std::optional<int> major) {
  const auto found = find_installations();
  for (const auto& one : found) {
    if (one.major < kOldestMajor || (major && one.major != *major)) continue;
    // A folder that exists already keeps its version; whether pgvector is there migrate() says.
    if (major || !one.pgvector_version.empty()) return one;
  }
  std::vector<std::string> seen;
  for (const auto& one : found) {
    seen.push_back(fmt::format("{} in {}{}", one.version, one.bin.string(),
                               one.pgvector_version.empty() ? " without pgvector" : ""));
  }
  throw Error(
      ErrorKind::kUnavailable,
      fmt::format("looking for a PostgreSQL server{}: found {}; expected PostgreSQL {} with "
                  "pgvector 0.8 or newer installed, or PGMMR_DATABASE_URL naming a server",
                  major ? fmt::format(" of version {}", *major) : "",
                  seen.empty() ? "none" : fmt::format("{}", fmt::join(seen, ", ")),
                  major ? std::to_string(*major) : fmt::format("{} or newer", kOldestMajor)));
}

}  // namespace pgmmr
