#include "dataset/hub_address.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string_view>

#include "base/error.h"
#include "dataset/clean_text.h"

namespace pgmmr {
namespace {

constexpr std::string_view kScheme = "hf://";

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c == '/') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool is_repo_name(std::string_view name) {
  return !name.empty() && name.size() <= 96 && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

// Of a revision or a path: nothing that could climb, and nothing that isn't text.
bool is_safe_path(std::string_view path) {
  const auto parts = split(path);
  return std::all_of(parts.begin(), parts.end(),
                     [](const std::string& part) {
                       return !part.empty() && part != "." && part != "..";
                     }) &&
         std::all_of(path.begin(), path.end(),
                     [](unsigned char c) { return c > 0x20 && c != 0x7F; });
}

bool is_split_name(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kSplits = {
      "train", "training", "test", "testing", "validation", "valid", "val", "dev"};
  if (name.starts_with("partial-")) name.remove_prefix(8);
  return std::find(kSplits.begin(), kSplits.end(), name) != kSplits.end();
}

std::string_view base_name(std::string_view path) {
  return path.substr(path.find_last_of('/') + 1);
}

// "validation" of validation-00000-of-00003.parquet and of validation/0000.parquet.
bool is_of_split(std::string_view path, std::string_view name) {
  const auto parts = split(path);
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    if (parts[i] == name || parts[i] == fmt::format("partial-{}", name)) return true;
  }
  const std::string_view base = base_name(path);
  return base.starts_with(name) && base.size() > name.size() &&
         std::isalnum(static_cast<unsigned char>(base[name.size()])) == 0;
}

// The configuration that a file belongs to; empty for the default one.
std::string config_of(const std::string& path) {
  const auto parts = split(path);
  if (parts.size() < 2 || parts[0] == "data" || parts[0] == "default" || is_split_name(parts[0])) {
    return {};
  }
  return parts[0];
}

}  // namespace

HubAddress parse_hub_address(const std::string& address) {
  const auto refuse = [&](const std::string& why) -> HubAddress {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{}: {}; expected hf://datasets/OWNER/NAME[@REVISION][/CONFIG[/SPLIT]]",
                            clean_text(address.substr(0, 300)), why));
  };
  if (!address.starts_with(kScheme)) return refuse("is no address of the hub");
  std::string rest = address.substr(kScheme.size());
  if (!rest.starts_with("datasets/")) return refuse("names no dataset");
  rest.erase(0, std::string_view("datasets/").size());
  while (rest.ends_with('/')) rest.pop_back();
  HubAddress parsed;
  const std::size_t at = rest.find('@');
  std::string repo = rest.substr(0, at), after;
  if (at == std::string::npos) {
    const auto parts = split(rest);
    if (parts.size() < 2) return refuse("has no OWNER/NAME");
    repo = parts[0] + "/" + parts[1];
    if (rest.size() > repo.size()) after = rest.substr(repo.size() + 1);
  } else {
    std::string tail = rest.substr(at + 1);
    for (std::size_t quoted; (quoted = tail.find("%2F")) != std::string::npos;) {
      tail.replace(quoted, 3, "/");
    }
    // A revision ends at the next slash, but for the hub's own refs/convert/… and refs/pr/….
    const bool is_ref = tail.starts_with("refs/convert/") || tail.starts_with("refs/pr/");
    std::size_t end = tail.find('/');
    if (is_ref) end = tail.find('/', tail.find('/', end + 1) + 1);
    parsed.revision = tail.substr(0, end);
    if (end != std::string::npos) after = tail.substr(end + 1);
    if (!is_safe_path(parsed.revision)) return refuse("has a revision that is none");
  }
  const auto names = split(repo);
  if (names.size() != 2 || !is_repo_name(names[0]) || !is_repo_name(names[1])) {
    return refuse("has no OWNER/NAME");
  }
  parsed.repo = repo;
  if (!after.empty() && !is_safe_path(after)) return refuse("has a path that is none");
  parsed.below = after;
  return parsed;
}

std::string to_string(const HubAddress& address) {
  return "hf://datasets/" + address.repo +
         (address.revision.empty() ? "" : "@" + address.revision) +
         (address.below.empty() ? "" : "/" + address.below);
}

std::vector<HubFile> choose_parquet(const HubAddress& address, const std::vector<HubFile>& files) {
  std::vector<HubFile> all, chosen;
  std::set<std::string> configs;
  for (const HubFile& file : files) {
    if (!file.path.ends_with(".parquet") || base_name(file.path) == "metadata.parquet") continue;
    all.push_back(file);
    configs.insert(config_of(file.path));
  }
  if (all.empty()) return {};
  const auto choose = [&](const auto& is) {
    std::copy_if(all.begin(), all.end(), std::back_inserter(chosen), is);
  };
  if (address.below.ends_with(".parquet")) {
    choose([&](const HubFile& file) {
      return fnmatch(address.below.c_str(), file.path.c_str(), FNM_NOESCAPE) == 0;
    });
  } else if (address.below.empty()) {
    const bool has_default = configs.contains("");
    if (!has_default && configs.size() > 1) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("{}: has several configurations; add one of {}", to_string(address),
                              fmt::join(configs, ", ")));
    }
    choose([&](const HubFile& file) { return !has_default || config_of(file.path).empty(); });
  } else {
    const auto parts = split(address.below);
    choose([&](const HubFile& file) { return file.path.starts_with(address.below + "/"); });
    if (chosen.empty() && parts.size() <= 2) {
      const std::string config = parts.size() == 2 ? parts[0] : "";
      choose([&](const HubFile& file) {
        const bool is_config =
            config == "default" ? config_of(file.path).empty() : config_of(file.path) == config;
        return is_config && is_of_split(file.path, parts.back());
      });
    }
    if (chosen.empty() && address.below == "default") {
      choose([&](const HubFile& file) { return config_of(file.path).empty(); });
    }
  }
  if (chosen.empty()) {
    std::vector<std::string> names;
    for (const HubFile& file : all) {
      names.push_back(clean_text(file.path));
      if (names.size() == 10) break;
    }
    throw Error(
        ErrorKind::kNotFound,
        fmt::format("{}: none of its {} Parquet files is of that name: {}{}", to_string(address),
                    all.size(), fmt::join(names, ", "), all.size() > 10 ? " …" : ""));
  }
  return chosen;
}

}  // namespace pgmmr
