#include "dataset/folder.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "base/error.h"
#include "dataset/caption_columns.h"
#include "dataset/chunk_cutter.h"
#include "dataset/chunk_payload.h"
#include "dataset/clean_text.h"
#include "dataset/folder_walk.h"
#include "dataset/relation.h"
#include "dataset/value_text.h"

namespace pgmmr {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
constexpr std::size_t kMaxCaptionBytes = 64 << 10;

// Size and time of change; "gone" where there is nothing.
std::string file_identity(const fs::path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return "gone";
  return fmt::format("{} {}.{:09}", status.st_size,
                     static_cast<std::int64_t>(status.st_mtim.tv_sec), status.st_mtim.tv_nsec);
}

fs::path caption_file(const fs::path& picture) {
  return fs::path(picture).replace_extension(".txt");
}

std::string trimmed(std::string text) {
  const char* blank = " \t\r\n\v\f";
  text.erase(0, text.find_first_not_of(blank));
  text.erase(text.find_last_not_of(blank) + 1);
  return text;
}

std::string read_caption(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return {};
  std::ifstream in(path, std::ios::binary);
  std::string bytes(kMaxCaptionBytes, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.erase(0, 3);
  return trimmed(clean_text(bytes));
}

}  // namespace

FolderDataset::FolderDataset(const fs::path& folder, const SourceOptions& options)
    : root_(fs::canonical(folder)), source_(root_.string()), options_(options) {
  if (!options.key_column.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                source_ + ": a folder's rows are known by their paths; it has no key column " +
                    options.key_column);
  }
  columns_ = {{"file_name", ColumnType::kText}, {"caption", ColumnType::kText}};
  bool any = false;
  walk_folder(
      root_,
      [&](const FolderEntry& entry) {
        if (entry.relative.empty()) {
          throw Error(ErrorKind::kUnavailable, source_ + ": " + entry.problem);
        }
        any = true;
        return true;  // all of it: deeper folders may hold metadata files
      },
      [&](const std::string& directory) {
        if (auto file = FolderMetadata::find(root_ / directory)) {
          add_metadata(directory, std::move(*file));
        }
      });
  if (!any) {
    throw Error(ErrorKind::kNotFound,
                source_ +
                    ": no pictures in this folder; expected .jpg, .png, .webp, .gif, .bmp or "
                    ".tif files (for a table, name its file: '*.parquet', '*.csv', '*.jsonl')");
  }
}

void FolderDataset::add_metadata(const std::string& directory, FolderMetadata file) {
  Metadata metadata{std::move(file), {}};
  for (const Column& column : metadata.file.columns()) {
    if (column.name == "caption" && metadata.file.caption_column() == "caption") {
      metadata.places.push_back(kNowhere);
      continue;
    }
    // A name that file_name or caption has already gets the store's own mark for such: a _ behind.
    const bool is_ours = column.name == "file_name" || column.name == "caption";
    const Column wanted{is_ours ? column.name + "_" : column.name, column.type};
    const auto found = std::find_if(columns_.begin() + 2, columns_.end(),
                                    [&](const Column& other) { return other.name == wanted.name; });
    metadata.places.push_back(static_cast<std::size_t>(found - columns_.begin()));
    if (found == columns_.end()) {
      columns_.push_back(wanted);
    } else if (found->type != wanted.type) {
      found->type = ColumnType::kText;
    }
  }
  metadata_.emplace(directory, std::move(metadata));
}

std::vector<std::string> FolderDataset::default_captions() const {
  // Of a metadata file's columns the one that became the caption is there already.
  std::set<std::string> copied;
  std::vector<Column> others;
  for (const auto& [directory, metadata] : metadata_) {
    copied.insert(metadata.file.caption_column());
  }
  for (auto column = columns_.begin() + 2; column != columns_.end(); ++column) {
    others.push_back(*column);
  }
  std::vector<std::string> captions = {"caption"};
  for (const std::string& name : caption_columns(others)) {
    if (!copied.contains(name)) captions.push_back(name);
  }
  return captions;
}

const FolderMetadata::Entry* FolderDataset::metadata_entry(const std::string& relative,
                                                           const Metadata** metadata) const {
  if (metadata_.empty()) return nullptr;
  for (std::size_t end = relative.find_last_of('/');; end = relative.find_last_of('/', end - 1)) {
    const bool is_root = end == std::string::npos;
    const auto found = metadata_.find(is_root ? "" : relative.substr(0, end));
    if (found != metadata_.end()) {
      *metadata = &found->second;
      return found->second.file.entry(is_root ? relative : relative.substr(end + 1));
    }
    if (is_root || end == 0) return nullptr;
  }
}

void FolderDataset::chunks(const std::function<void(Chunk)>& found, std::stop_token stop) const {
  ChunkCutter cutter("folder 1");
  FolderPayload payload;
  const auto finish = [&] {
    Chunk chunk;
    chunk.rows = cutter.rows();
    chunk.payload = to_json(payload);
    chunk.id = cutter.finish();
    payload.files.clear();
    found(std::move(chunk));
  };
  std::int64_t rows = 0;
  const bool walked = walk_folder(root_, [&](const FolderEntry& entry) {
    if (stop.stop_requested()) return false;
    if (options_.limit && rows >= *options_.limit) return false;
    const fs::path path = root_ / entry.relative;
    std::string identity = entry.problem.empty() ? file_identity(path) : entry.problem;
    const Metadata* metadata = nullptr;
    if (entry.has_caption_file) identity += " txt " + file_identity(caption_file(path));
    if (const auto* said = metadata_entry(entry.relative, &metadata)) identity += said->digest;
    payload.files.push_back({key_of_path(entry.relative), entry.has_caption_file});
    ++rows;
    if (cutter.add(entry.relative, identity)) finish();
    return true;
  });
  if (!walked && stop.stop_requested()) {
    throw Error(ErrorKind::kCancelled, source_ + ": stopped while listing");
  }
  if (cutter.rows() > 0) finish();
}

Row FolderDataset::row(const std::string& relative, bool has_caption_file) const {
  Row row;
  row.key = bounded_key(key_of_path(relative));
  const fs::path path = root_ / relative;
  row.values.resize(columns_.size());
  row.values[0] = key_of_path(path.filename().string());
  std::string caption = has_caption_file ? read_caption(caption_file(path)) : "";
  const Metadata* metadata = nullptr;
  if (const auto* said = metadata_entry(relative, &metadata)) {
    if (caption.empty()) caption = said->caption;
    for (std::size_t i = 0; i < said->values.size(); ++i) {
      if (metadata->places[i] == kNowhere) continue;
      const bool as_text = columns_[metadata->places[i]].type == ColumnType::kText &&
                           metadata->file.columns()[i].type != ColumnType::kText;
      const Value& value = said->values[i];
      row.values[metadata->places[i]] = as_text && value.index() != 0 ? value_text(value) : value;
    }
  }
  row.values[1] = caption.empty() ? words_of_name(relative) : caption;
  std::error_code code;
  const auto status = fs::status(path, code);
  if (fs::is_regular_file(status)) {
    row.image_path = path.string();
  } else if (fs::is_directory(status)) {
    row.problem = "the folder cannot be listed";
  } else {
    row.problem = fs::exists(status) ? "is not a regular file" : "the file is gone";
  }
  return row;
}

void FolderDataset::read(const Chunk& chunk, const std::function<void(Row)>& found) const {
  const FolderPayload payload = parse_folder_payload(chunk.payload);
  for (const FolderPayload::File& file : payload.files) {
    const std::string relative = path_of_key(file.key);
    if (!stays_below(relative)) {
      throw Error(ErrorKind::kCorrupt,
                  source_ + ": reading a chunk: its payload names a file outside the folder");
    }
    found(row(relative, file.has_caption_file));
  }
}

}  // namespace pgmmr
