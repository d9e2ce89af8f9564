// Where on the hub something is, how messages name it, and how patient its look-ups are.
#pragma once

#include <cstdint>
#include <string>

#include "hub/cache.h"
#include "hub/hub.h"

namespace pgmmr {

inline constexpr int kRetries = 5;
inline constexpr int kRedirects = 8;
inline constexpr int kPatientTimeoutS = 60;  // for a look-up when the cache can't help

struct Hub::Place {
  RepoKind kind;
  std::string repo, file, revision;
  std::string doing;  // "fetching", "listing"

  std::string repository() const { return std::string(kind_word(kind)) + " " + repo; }
  std::string name() const {
    return doing + " " + repository() + (file.empty() ? "" : ", " + file) +
           (revision == "main" ? "" : " at " + revision);
  }
  std::string page() const {  // on the hub's web site
    return (kind == RepoKind::kDataset ? "datasets/"
            : kind == RepoKind::kSpace ? "spaces/"
                                       : "") +
           repo;
  }
};

struct Hub::Source {
  std::string url, commit, etag;
  std::uint64_t size = 0;
  bool with_token = false;
};

}  // namespace pgmmr
