// A folder's pictures in the byte order of their relative paths, each directory listed once.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace pgmmr {

struct FolderEntry {
  std::string relative;  // path below the root, '/' between names, bytes as the system has them
  std::string problem;   // why a directory could not be listed; empty for a file
  bool has_caption_file = false;  // a .txt with the same stem lies beside it
};

// Calls back for each picture by its extension, and for each directory that cannot be listed.
// Left out: names that begin with a dot, @eaDir, node_modules, and what isn't a regular file (a
// symbolic link to nothing stays in). Links to directories are followed once, and not back into
// the root, so that no loop is walked and no picture comes twice.
//   found        returns false to stop
//   directories  called for each directory, before what is in it; relative, "" for the root
//   returns      false where found stopped it
bool walk_folder(const std::filesystem::path& root,
                 const std::function<bool(const FolderEntry&)>& found,
                 const std::function<void(const std::string& relative)>& directories = {});

// .jpg .jpeg .png .webp .gif .bmp .tif .tiff, and .heic .heif .avif .svg, which become visible
// rejects where they can't be decoded; any letter case.
bool is_picture_name(std::string_view name);

// A relative path as a key: as it is where it's UTF-8, with each byte that isn't written as U+FFFD
// and two hex digits. Reversible: U+FFFD itself is written the same way.
std::string key_of_path(std::string_view relative);
std::string path_of_key(std::string_view key);

}  // namespace pgmmr
