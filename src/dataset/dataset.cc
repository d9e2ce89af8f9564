#include "dataset/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "dataset/clean_text.h"
#include "dataset/duckdb_session.h"
#include "dataset/folder.h"
#include "dataset/parquet.h"

namespace pgmmr {
namespace fs = std::filesystem;
namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// The files that a path or a pattern names, sorted; a file with * in its name is itself.
std::vector<fs::path> matching_files(const std::string& pattern) {
  std::error_code code;
  if (fs::exists(pattern, code)) return {fs::canonical(pattern)};
  std::set<fs::path> files;
  if (pattern.find_first_of("*?[") != std::string::npos) {
    DuckdbSession session({.about = pattern, .database = {}, .folder = {}});
    session.query("SELECT file FROM glob(" + duckdb_literal(fs::absolute(pattern).string()) + ")",
                  [&](const DuckdbRow& row) { files.insert(fs::path(row.bytes(0))); });
  }
  if (files.empty()) {
    throw Error(ErrorKind::kNotFound,
                fmt::format("{}: no such file or folder", clean_text(pattern)));
  }
  return {files.begin(), files.end()};
}

// What all the files' folders have in common: names in the source are relative to it.
fs::path common_folder(const std::vector<fs::path>& files) {
  fs::path common = files.front().parent_path();
  for (const fs::path& file : files) {
    const fs::path folder = file.parent_path();
    fs::path shared;
    auto a = common.begin();
    for (auto b = folder.begin(); a != common.end() && b != folder.end() && *a == *b; ++a, ++b) {
      shared /= *a;
    }
    common = shared;
  }
  return common;
}

std::unique_ptr<Dataset> open_parquet(const std::string& source, const std::vector<fs::path>& files,
                                      const SourceOptions& options) {
  const fs::path folder = common_folder(files);
  ParquetDataset::Input input;
  input.source = source;
  for (const fs::path& file : files) {
    input.files.push_back({file.lexically_relative(folder).string(), {}, {}});
  }
  input.locate = [folder](const ParquetFile& file) { return folder / file.name; };
  return std::make_unique<ParquetDataset>(std::move(input), options);
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const std::string& source, const SourceOptions& options) {
  std::error_code code;
  if (fs::is_directory(source, code)) return std::make_unique<FolderDataset>(source, options);
  const std::vector<fs::path> files = matching_files(source);
  const std::string canonical =
      files.size() == 1 ? files.front().string() : fs::absolute(source).string();
  const auto all = [&](const char* extension) {
    return std::all_of(files.begin(), files.end(), [&](const fs::path& file) {
      return lower(file.extension().string()) == extension;
    });
  };
  if (all(".parquet")) return open_parquet(canonical, files, options);
  throw Error(
      ErrorKind::kUnsupported,
      fmt::format("{}: expected a folder, or files that end in .parquet", clean_text(source)));
}

}  // namespace pgmmr
