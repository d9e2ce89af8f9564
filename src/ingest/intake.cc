#include "ingest/intake.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/file.h"
#include "base/file_uri.h"
#include "image/decode.h"
#include "image/encode.h"
#include "text/words.h"

namespace pgmmr {
namespace {

// Pictures encoded together. The towers' kernels gain little beyond this, and a stop is noticed
// between batches.
constexpr std::size_t kBatchPictures = 16;
constexpr std::size_t kBatchPixels = 32'000'000;  // 96 MB; a batch of phone photos is cut short

// Rows per COPY: its fixed cost is a few milliseconds.
constexpr std::size_t kStoreRows = 64;
constexpr std::size_t kStoreBytes = 16'000'000;

// PostgreSQL's limit for one value is 1 GiB, and COPY sends a row as one message.

using Clock = std::chrono::steady_clock;

// Adds the time until the end of the scope.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds), start_(Clock::now()) {}
  ~Stopwatch() { seconds_ += std::chrono::duration<double>(Clock::now() - start_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& seconds_;
  const Clock::time_point start_;
};

std::string words_of(const CellValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return icu_words(*text);
  std::string words;
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& text : *texts) words += (words.empty() ? "" : " ") + icu_words(text);
  }
  return words;
}

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char byte) { return byte < 0x20; }, ' ');
  return text;
}

// Errors of this kind are about the run, not about a row.
bool ends_the_run(ErrorKind kind) {
  return kind == ErrorKind::kUnavailable || kind == ErrorKind::kCancelled;
}

}  // namespace

Intake::Intake(ChunkClaim& claim, const Encoder& encoder, const Layout& layout, int enough_edge,
               std::stop_token stop, std::function<void(int, int)> handled)
    : claim_(claim),
      encoder_(encoder),
      layout_(layout),
      decoding_{.enough_edge = enough_edge},
      stop_(std::move(stop)),
      handled_(std::move(handled)) {}

void Intake::take(Row row) {
  if (stop_.stop_requested()) throw Error(ErrorKind::kCancelled, "stopped");
  if (!row.problem.empty()) return reject(row.key, row.problem);
  const std::string key = row.key;
  try {
    std::string bytes = picture_bytes(row);
    Picture picture;
    {
      Stopwatch watch(tally_.decode_seconds);
      picture = decode_picture(bytes, row.image_path.empty() ? key : row.image_path, decoding_);
    }
    StoredRow stored;
    {
      Stopwatch watch(tally_.store_seconds);
      stored = stored_row(std::move(row), picture, std::move(bytes));
    }
    pixels_ += picture.rgb.size() / 3;
    rows_.push_back(std::move(stored));
    pictures_.push_back(std::move(picture));
  } catch (const std::bad_alloc&) {
    return reject(key, "not enough memory to decode the picture");
  } catch (const Error& error) {
    return reject(key, error.what());
  }
  if (pictures_.size() >= kBatchPictures || pixels_ >= kBatchPixels) encode();
}

std::string Intake::picture_bytes(Row& row) {
  Stopwatch watch(tally_.read_seconds);
  std::string bytes = row.image_path.empty() ? std::move(row.image_bytes)
                                             : read_file(row.image_path, kMaxPictureBytes);
  if (bytes.size() > kMaxPictureBytes) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{}: a picture of {} bytes, expected at most {}", row.key, bytes.size(),
                            kMaxPictureBytes));
  }
  return bytes;
}

StoredRow Intake::stored_row(Row row, const Picture& picture, std::string bytes) const {
  const Collection& collection = layout_.collection;
  StoredRow stored;
  stored.key = std::move(row.key);
  const bool reduced = picture.whole_width > 0;
  stored.width = reduced ? picture.whole_width : picture.width;
  stored.height = reduced ? picture.whole_height : picture.height;
  stored.values.resize(collection.columns.size());
  for (std::size_t i = 0; i < stored.values.size(); ++i) {
    const int from = layout_.source_columns[i];
    if (from < 0 || static_cast<std::size_t>(from) >= row.values.size()) continue;
    stored.values[i] = std::move(row.values[static_cast<std::size_t>(from)]);
  }
  if (!layout_.icu_captions.empty()) {
    std::string words;
    for (const int at : layout_.icu_captions) {
      const std::string more = words_of(stored.values[static_cast<std::size_t>(at)]);
      if (!words.empty() && !more.empty()) words += ' ';
      words += more;
    }
    stored.caption_words = std::move(words);
  }
  // A picture that is no file must be kept here, whatever the collection does with files.
  if (collection.stores_images || row.image_path.empty()) {
    stored.image_uri = "media:";
    stored.thumbnail = encode_thumbnail(picture);
    stored.image = std::move(bytes);
  } else {
    stored.image_uri = file_uri(row.image_path);
  }
  return stored;
}

void Intake::finish() {
  encode();
  store();
}

void Intake::reject(const std::string& key, const std::string& reason) {
  claim_.reject(key, one_line(reason));
  ++tally_.rejected;
  handled_(1, 1);
}

void Intake::encode() {
  if (pictures_.empty()) return;
  if (stop_.stop_requested()) throw Error(ErrorKind::kCancelled, "stopped");
  try {
    Matrix embeddings;
    {
      Stopwatch watch(tally_.encode_seconds);
      embeddings = encoder_.encode_pictures(pictures_);
      normalise_rows(embeddings);
    }
    if (embeddings.rows() != static_cast<int>(pictures_.size()) ||
        embeddings.cols() != layout_.collection.dim) {
      throw Error(ErrorKind::kInternal,
                  fmt::format("encoding {} pictures gave a matrix of {} x {}", pictures_.size(),
                              embeddings.rows(), embeddings.cols()));
    }
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      keep(std::move(rows_[i]), embeddings.row(static_cast<int>(i)));
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInternal || ends_the_run(error.kind())) throw;
    encode_one_by_one();
  }
  rows_.clear();
  pictures_.clear();
  pixels_ = 0;
  if (finished_.size() >= kStoreRows || finished_bytes_ >= kStoreBytes) store();
}

// One picture of the batch cannot be encoded: find it, keep the others.
void Intake::encode_one_by_one() {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    try {
      Stopwatch watch(tally_.encode_seconds);
      Matrix embedding = encoder_.encode_pictures({&pictures_[i], 1});
      normalise_rows(embedding);
      keep(std::move(rows_[i]), embedding.row(0));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInternal || ends_the_run(error.kind())) throw;
      reject(rows_[i].key, error.what());
    }
  }
}

void Intake::keep(StoredRow row, std::span<const float> embedding) {
  row.embedding.assign(embedding.begin(), embedding.end());
  finished_bytes_ += row.image.size() + row.thumbnail.size();
  finished_.push_back(std::move(row));
}

void Intake::store() {
  if (finished_.empty()) return;
  Stopwatch watch(tally_.store_seconds);
  // What the database itself cannot hold comes back, recorded as rejects already.
  const std::size_t refused = claim_.store(finished_).size();
  tally_.stored += static_cast<std::int64_t>(finished_.size() - refused);
  tally_.rejected += static_cast<std::int64_t>(refused);
  handled_(static_cast<int>(finished_.size()), static_cast<int>(refused));
  finished_.clear();
  finished_bytes_ = 0;
}

}  // namespace pgmmr
