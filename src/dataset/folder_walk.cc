#include "dataset/folder_walk.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/file.h"

namespace pgmmr {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMark = "\xEF\xBF\xBD";  // U+FFFD

std::string_view stem(std::string_view name) { return name.substr(0, name.find_last_of('.')); }

class Walk {
 public:
  Walk(const fs::path& root, const std::function<bool(const FolderEntry&)>& found,
       const std::function<void(const std::string&)>& directories)
      : root_(root), found_(found), directories_(directories) {
    std::error_code ignored;
    canonical_root_ = fs::canonical(root, ignored).string() + '/';
  }

  bool directory(const std::string& relative) {
    struct stat status {};
    const fs::path path = relative.empty() ? root_ : root_ / relative;
    if (stat(path.c_str(), &status) != 0 ||
        !visited_.insert({status.st_dev, status.st_ino}).second) {
      return true;
    }
    if (directories_) directories_(relative);
    std::error_code code;
    // Sorted as whole relative paths are: a directory's name counts with the slash behind it.
    std::vector<std::string> names;
    for (fs::directory_iterator entry(path, code), end; !code && entry != end;
         entry.increment(code)) {
      const std::string name = entry->path().filename().string();
      if (name.starts_with('.') || name == "@eaDir" || name == "node_modules") continue;
      std::error_code ignored;
      if (entry->is_directory(ignored)) {
        if (!entry->is_symlink(ignored) || leads_outside(entry->path()))
          names.push_back(name + '/');
      } else if (is_picture_name(name) || name.ends_with(".txt")) {
        if (is_file(*entry)) names.push_back(name);
      }
    }
    if (code) {
      FolderEntry entry;
      entry.relative = relative;
      entry.problem = fmt::format("the folder cannot be listed: {}", code.message());
      return found_(entry);
    }
    std::sort(names.begin(), names.end());
    std::unordered_set<std::string_view> captions;
    for (const std::string& name : names) {
      if (name.ends_with(".txt")) captions.insert(stem(name));
    }
    const std::string below = relative.empty() ? "" : relative + '/';
    for (const std::string& name : names) {
      if (name.ends_with('/')) {
        if (!directory(below + name.substr(0, name.size() - 1))) return false;
      } else if (!name.ends_with(".txt")) {
        FolderEntry entry;
        entry.relative = below + name;
        entry.has_caption_file = captions.contains(stem(name));
        if (!found_(entry)) return false;
      }
    }
    return true;
  }

 private:
  bool leads_outside(const fs::path& link) const {
    std::error_code code;
    const std::string target = fs::canonical(link, code).string() + '/';
    return !code && !target.starts_with(canonical_root_) && !canonical_root_.starts_with(target);
  }

  // A FIFO or a device would block whoever opens it.
  static bool is_file(const fs::directory_entry& entry) {
    std::error_code ignored;
    const auto type = entry.status(ignored).type();
    return type == fs::file_type::regular ||
           (type == fs::file_type::not_found && entry.is_symlink(ignored));
  }

  const fs::path& root_;
  const std::function<bool(const FolderEntry&)>& found_;
  const std::function<void(const std::string&)>& directories_;
  std::string canonical_root_;
  std::set<std::pair<dev_t, ino_t>> visited_;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool walk_folder(const fs::path& root, const std::function<bool(const FolderEntry&)>& found,
                 const std::function<void(const std::string& relative)>& directories) {
  return Walk(root, found, directories).directory("");
}

bool is_picture_name(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kExtensions = {
      ".jpg", ".jpeg", ".png",  ".webp", ".gif",  ".bmp",
      ".tif", ".tiff", ".heic", ".heif", ".avif", ".svg"};
  const std::size_t dot = name.find_last_of('.');
  if (dot == std::string_view::npos) return false;
  std::string extension(name.substr(dot));
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

std::string key_of_path(std::string_view relative) {
  if (is_utf8(relative) && relative.find(kMark) == std::string_view::npos) {
    return std::string(relative);
  }
  std::string key;
  for (std::size_t at = 0; at < relative.size();) {
    const auto lead = static_cast<unsigned char>(relative[at]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    const std::string_view one = relative.substr(at, length);
    if (one.size() == length && is_utf8(one) && one != kMark) {
      key += one;
      at += length;
    } else {
      key += fmt::format("{}{:02X}", kMark, lead);
      ++at;
    }
  }
  return key;
}

std::string path_of_key(std::string_view key) {
  std::string path;
  for (std::size_t at = 0; at < key.size();) {
    if (key.substr(at).starts_with(kMark) && at + kMark.size() + 2 <= key.size()) {
      const int high = hex_digit(key[at + 3]), low = hex_digit(key[at + 4]);
      if (high >= 0 && low >= 0) {
        path += static_cast<char>(high * 16 + low);
        at += 5;
        continue;
      }
    }
    path += key[at++];
  }
  return path;
}

}  // namespace pgmmr
