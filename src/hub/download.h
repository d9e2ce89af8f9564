// A plain http(s) address to a local file: a Parquet or CSV source that somebody names by URL.
#pragma once

#include <filesystem>
#include <string>

#include "hub/hub.h"

namespace pgmmr {

// Where downloads are kept: data_dir()/downloads.
std::filesystem::path default_download_cache();

// The file at url, kept in cache/<digest of url>/<last part of its path> and asked for again only
// as "has it changed?" (ETag, Last-Modified). A cut download is taken up where it stopped if the
// ETag is the same. Where the server can't be reached, or with HF_HUB_OFFLINE, an earlier copy is
// used.
//   throws   Error{kNotFound} for 404 and 410, {kUnavailable, kInvalidArgument, kCorrupt,
//            kCancelled}; messages name the address without its query, which may hold secrets
//   threads  safe to call at once, from several processes too
std::filesystem::path download(const std::string& url, const DownloadProgress& progress = {},
                               const std::filesystem::path& cache = default_download_cache());

}  // namespace pgmmr
