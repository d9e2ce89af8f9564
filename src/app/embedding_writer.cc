#include "app/embedding_writer.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace pgmmr {
namespace {

std::string quoted(const std::string& text) {
  // A path need not be UTF-8; JSON must be.
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// One object, a row a line. Numbers are the shortest that read back as the same float32.
class JsonWriter : public EmbeddingWriter {
 public:
  JsonWriter(const std::filesystem::path& path, const EmbeddingHeader& header)
      : EmbeddingWriter(path) {
    put(fmt::format(R"({{"model":{},"dim":{},"embeddings":[)", quoted(header.model), header.dim));
  }

  void write(std::span<const float> row) override {
    std::string text = first_ ? "\n" : ",\n";
    first_ = false;
    if (row.empty()) {
      text += "null";
    } else {
      text += fmt::format("[{}]", fmt::join(row, ","));
    }
    put(text);
  }

  void finish(const std::vector<std::string>& names) override {
    put("\n]");
    if (!names.empty()) {
      put(",\"files\":[");
      for (std::size_t i = 0; i < names.size(); ++i) put((i > 0 ? ",\n" : "\n") + quoted(names[i]));
      put("\n]");
    }
    put("}\n");
    close();
  }

 private:
  bool first_ = true;
};

// NumPy's format 1.0 (numpy/lib/format.py): float32, little endian, C order.
class NpyWriter : public EmbeddingWriter {
 public:
  NpyWriter(const std::filesystem::path& path, const EmbeddingHeader& header)
      : EmbeddingWriter(path),
        missing_(static_cast<std::size_t>(header.dim), std::numeric_limits<float>::quiet_NaN()) {
    std::string text = fmt::format(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", header.rows, header.dim);
    constexpr std::size_t kPreamble = 10, kAlignment = 64;
    while ((kPreamble + text.size() + 1) % kAlignment != 0) text += ' ';
    text += '\n';
    std::string preamble("\x93NUMPY\x01\x00", 8);
    preamble += static_cast<char>(text.size() & 0xFF);
    preamble += static_cast<char>(text.size() >> 8);
    put(preamble + text);
  }

  void write(std::span<const float> row) override {
    const std::span<const float> values = row.empty() ? std::span<const float>(missing_) : row;
    put({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  }

  void finish(const std::vector<std::string>& names) override {
    close();
    if (names.empty() || path().empty()) return;
    std::string lines;
    for (const std::string& name : names) lines += name + '\n';
    auto beside = path();
    write_file(beside.replace_extension(".files.txt"), lines);
  }

 private:
  std::vector<float> missing_;
};

}  // namespace

EmbeddingWriter::EmbeddingWriter(const std::filesystem::path& path) : path_(path) {
  if (path.empty()) {
    file_.reset(stdout);
    return;
  }
  replacement_.emplace(path);
  file_.reset(std::fopen(replacement_->part().c_str(), "wb"));
  if (!file_) {
    throw Error(ErrorKind::kUnavailable,
                path.string() + ": cannot be written: " + std::strerror(errno));
  }
}

EmbeddingWriter::~EmbeddingWriter() = default;

void EmbeddingWriter::put(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    throw Error(ErrorKind::kUnavailable, (path_.empty() ? "standard output" : path_.string()) +
                                             ": cannot be written: " + std::strerror(errno));
  }
}

void EmbeddingWriter::close() {
  const auto fail = [&](const std::string& why) {
    throw Error(ErrorKind::kUnavailable, (path_.empty() ? "standard output" : path_.string()) +
                                             ": cannot be written: " + why);
  };
  if (std::fflush(file_.get()) != 0) fail(std::strerror(errno));
  if (path_.empty()) return;
  if (std::fclose(file_.release()) != 0) fail(std::strerror(errno));
  replacement_->commit();
}

std::unique_ptr<EmbeddingWriter> EmbeddingWriter::open(EmbeddingFormat format,
                                                       const std::filesystem::path& path,
                                                       const EmbeddingHeader& header) {
  if (format == EmbeddingFormat::kNpy) return std::make_unique<NpyWriter>(path, header);
  return std::make_unique<JsonWriter>(path, header);
}

}  // namespace pgmmr
