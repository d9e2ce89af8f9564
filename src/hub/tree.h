// A repository's listing: the pages of /api/…/tree/, and the file that keeps one between runs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hub/hub.h"

namespace pgmmr {

struct TreeEntry {
  std::string path;
  std::uint64_t size = 0;
  std::string blob_id;     // git's
  std::string lfs_sha256;  // empty for a file that lies in git itself
  std::uint64_t lfs_size = 0;
  std::string xet_hash;
};

// Adds the files of a page; folders are left out.
//   throws  Error{kCorrupt} for what is not such a page, or names a path outside the repository
void parse_tree_page(std::string_view json, std::vector<TreeEntry>& entries);

// trees/<commit>.json, format 1.
std::string tree_to_json(const std::vector<TreeEntry>& entries);
std::vector<TreeEntry> tree_from_json(std::string_view json);  // throws Error{kCorrupt}

HubFile to_hub_file(const TreeEntry& entry);

// The address with rel="next" in a Link header (RFC 8288); empty where there is none.
std::string next_page(std::string_view link_header);

}  // namespace pgmmr
