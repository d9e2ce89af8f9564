// One repository's folder in the cache that huggingface_hub keeps, and the rules its names obey.
//
//   <cache>/models--OWNER--NAME/refs/<revision>                 text: the commit
//                               snapshots/<commit>/<file>       link to ../../blobs/<etag>
//                               blobs/<etag>                    contents
//                               .no_exist/<commit>/<file>       empty: the commit has no such file
//                               trees/<commit>.json             the commit's listing
//   <cache>/.locks/models--OWNER--NAME/<etag>.lock              flock while a blob is made
//
// Source: hub-docs docs/hub/local-cache.md; file_download.py, _tree_cache.py.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "hub/hub.h"

namespace pgmmr {

bool is_commit(std::string_view text);  // 40 lower-case hex digits
bool is_sha256(std::string_view text);

// Names from outside become parts of paths here, so each is checked first.
//   throws  Error{kInvalidArgument}; for an etag kCorrupt
void check_repo_name(const std::string& repo);     // OWNER/NAME or NAME
void check_revision(const std::string& revision);  // may hold slashes: refs/pr/1
void check_file_name(const std::string& file);     // relative, below the repository
std::string check_etag(std::string_view header);   // without W/ and quotes

std::string_view kind_word(RepoKind kind);  // "model", "dataset", "space"

class RepoCache {
 public:
  RepoCache(std::filesystem::path cache, RepoKind kind, const std::string& repo);

  std::filesystem::path pointer(const std::string& commit, const std::string& file) const;
  std::filesystem::path blob(const std::string& etag) const;
  std::filesystem::path tree(const std::string& commit) const;

  std::optional<std::string> commit_of(const std::string& revision) const;
  bool has_snapshot(const std::string& commit) const;
  bool known_missing(const std::string& commit, const std::string& file) const;

  // Notes that make the next look-up cheaper; a cache that cannot be written does without them.
  void note_commit(const std::string& revision, const std::string& commit) const;
  void note_missing(const std::string& commit, const std::string& file) const;
  void note_tree(const std::string& commit, const std::string& json) const;

  // Makes the folders that a blob and its pointer need, and tags the cache for backup programs.
  //   throws  Error{kUnavailable} where the cache cannot be written
  void prepare(const std::string& commit, const std::string& file) const;

  // Points snapshots/<commit>/<file> at the blob. Without links a new blob is moved there, an older
  // one copied.
  void link(const std::string& etag, const std::string& commit, const std::string& file,
            bool symlinks, bool new_blob) const;

  // Holds .locks/…/<etag>.lock, as Python's processes do, until it is destroyed. Where the file
  // system knows no locks there is none: blobs are renamed into place, so only work is lost.
  class Lock {
   public:
    Lock(const RepoCache& cache, const std::string& etag,
         const std::function<void()>& while_waiting);
    ~Lock();
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    bool held() const { return fd_ >= 0; }

   private:
    int fd_ = -1;
  };

 private:
  std::filesystem::path cache_, folder_;
  std::string name_;
};

// True where the file has the size and is what the etag names: SHA-256 where that has 64 digits,
// git's SHA-1 of a blob where it has 40, else nothing to compare.
bool agrees_with_etag(const std::filesystem::path& path, const std::string& etag,
                      const std::function<void()>& between_blocks);

}  // namespace pgmmr
