// huggingface_hub's environment variables (constants.py, utils/_auth.py), read once a process asks.
#include "base/settings.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/error.h"
#include "base/file.h"
#include "hub/hub.h"

namespace pgmmr {
namespace {

bool is_true(const char* name) {
  std::string value = environment(name).value_or("");
  for (char& c : value) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

int seconds(const char* name, int otherwise) {
  const auto text = environment(name);
  if (!text) return otherwise;
  int value = 0;
  const auto [end, code] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (code != std::errc() || end != text->data() + text->size() || value < 0) {
    throw Error(ErrorKind::kInvalidArgument,
                std::string(name) + " is \"" + *text + "\", expected a number of seconds");
  }
  return value == 0 ? otherwise : value;
}

std::string home_folder() {
  if (const auto home = environment("HOME")) return *home;
  const passwd* entry = getpwuid(geteuid());
  return entry != nullptr && entry->pw_dir != nullptr ? entry->pw_dir : "/tmp";
}

// Python's expandvars and expanduser: ~, $NAME and ${NAME}.
std::string expand(const std::string& text) {
  std::string path;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 0 && text[0] == '~' && (text.size() == 1 || text[1] == '/')) {
      path += home_folder();
      continue;
    }
    if (text[i] == '$' && i + 1 < text.size()) {
      const bool braces = text[i + 1] == '{';
      std::size_t end = i + 1 + braces;
      while (end < text.size() &&
             (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '_')) {
        ++end;
      }
      const std::string name = text.substr(i + 1 + braces, end - i - 1 - braces);
      const auto value = environment(name.c_str());
      if (value && (!braces || (end < text.size() && text[end] == '}'))) {
        path += *value;
        i = end - 1 + braces;
        continue;
      }
    }
    path += text[i];
  }
  return path;
}

std::filesystem::path hugging_face_home() {
  if (const auto home = environment("HF_HOME")) return expand(*home);
  if (const auto cache = environment("XDG_CACHE_HOME")) return expand(*cache) + "/huggingface";
  return expand("~/.cache/huggingface");
}

// Everything a header cannot hold goes: a file's last line end, a pasted one in the middle.
std::string clean_token(std::string token) {
  std::erase_if(token, [](unsigned char c) { return c <= ' ' || c == 127; });
  return token;
}

std::string find_token(const std::filesystem::path& home) {
  if (is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return "";
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    const std::string token = clean_token(environment(name).value_or(""));
    if (!token.empty()) return token;
  }
  const auto named = environment("HF_TOKEN_PATH");
  const std::filesystem::path file = named ? std::filesystem::path(expand(*named)) : home / "token";
  std::error_code code;
  if (!std::filesystem::is_regular_file(file, code)) return "";
  return clean_token(read_file(file, 1 << 16));
}

}  // namespace

HubSettings HubSettings::from_environment() {
  HubSettings settings;
  settings.endpoint = environment("HF_ENDPOINT").value_or("https://huggingface.co");
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  const auto home = hugging_face_home();
  if (const auto cache = environment("HF_HUB_CACHE")) {
    settings.cache = expand(*cache);
  } else if (const auto older = environment("HUGGINGFACE_HUB_CACHE")) {
    settings.cache = expand(*older);
  } else {
    settings.cache = home / "hub";
  }
  settings.token = find_token(home);
  settings.offline =
      environment("HF_HUB_OFFLINE") ? is_true("HF_HUB_OFFLINE") : is_true("TRANSFORMERS_OFFLINE");
  settings.symlinks = !is_true("HF_HUB_DISABLE_SYMLINKS");
  settings.etag_timeout_s = seconds("HF_HUB_ETAG_TIMEOUT", settings.etag_timeout_s);
  settings.download_timeout_s = seconds("HF_HUB_DOWNLOAD_TIMEOUT", settings.download_timeout_s);
  return settings;
}

}  // namespace pgmmr
