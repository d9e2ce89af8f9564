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
#include "dataset/hub_dataset.h"
#include "dataset/parquet.h"
#include "dataset/table.h"
#include "hub/download.h"

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

// What begins like SQL: SELECT …, WITH …, FROM ….
bool is_query(const std::string& source) {
  const std::size_t begin = source.find_first_not_of(" \t\r\n(");
  if (begin == std::string::npos) return false;
  const std::size_t end = source.find_first_of(" \t\r\n(*", begin);
  if (end == std::string::npos) return false;
  const std::string word = lower(source.substr(begin, end - begin));
  return word == "select" || word == "with" || word == "from";
}

std::unique_ptr<Dataset> open_files(const std::string& source, const std::vector<fs::path>& files,
                                    const SourceOptions& options) {
  const auto all = [&](std::initializer_list<std::string_view> extensions) {
    return std::all_of(files.begin(), files.end(), [&](const fs::path& file) {
      const std::string extension = lower(file.extension().string());
      return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
    });
  };
  if (all({".parquet"})) return open_parquet(source, files, options);
  if (all({".csv", ".tsv"}) || all({".json", ".jsonl", ".ndjson"})) {
    return std::make_unique<TableDataset>(source, files, options);
  }
  throw Error(
      ErrorKind::kUnsupported,
      fmt::format("{}: expected a folder, hf://datasets/OWNER/NAME, a SELECT, or files that "
                  "all end in .parquet, .csv, .tsv, .jsonl or .json",
                  clean_text(source)));
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const std::string& source, const SourceOptions& options) {
  std::error_code code;
  if (source.starts_with("hf://")) return open_hub_dataset(source, options);
  if (source.starts_with("http://") || source.starts_with("https://")) {
    return open_files(source, {fs::canonical(download(source, options.on_download))}, options);
  }
  if (fs::is_directory(source, code)) return std::make_unique<FolderDataset>(source, options);
  if (is_query(source) && !fs::exists(source, code)) {
    return std::make_unique<TableDataset>(source, options);
  }
  const std::vector<fs::path> files = matching_files(source);
  const bool is_one = files.size() == 1;
  return open_files(is_one ? files.front().string() : fs::absolute(source).string(), files,
                    options);
}

}  // namespace pgmmr
