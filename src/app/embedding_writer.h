// Embeddings to a file or standard output, row by row: memory does not grow with their number.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace pgmmr {

enum class EmbeddingFormat { kJson, kNpy };

struct EmbeddingHeader {
  std::string model;  // as the user named it
  int dim = 0;
  std::size_t rows = 0;
};

class EmbeddingWriter {
 public:
  // Writes beside path and renames in finish(), so that a broken run leaves nothing behind; an
  // empty path is standard output.
  //   throws  Error{kUnavailable} where path cannot be written
  static std::unique_ptr<EmbeddingWriter> open(EmbeddingFormat format,
                                               const std::filesystem::path& path,
                                               const EmbeddingHeader& header);
  virtual ~EmbeddingWriter();

  // An empty row is one that could not be embedded: null in JSON, NaN in npy.
  virtual void write(std::span<const float> row) = 0;

  // Completes the file; names, if any, say what the rows are: "files" in JSON, in npy a text file
  // beside it (x.npy, x.files.txt), one name a line.
  //   throws  Error{kUnavailable} where writing failed
  virtual void finish(const std::vector<std::string>& names) = 0;

 protected:
  explicit EmbeddingWriter(const std::filesystem::path& path);
  void put(std::string_view bytes);
  void close();
  const std::filesystem::path& path() const { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept {
      if (file != stdout) std::fclose(file);
    }
  };
  std::filesystem::path path_;
  std::optional<Replacement> replacement_;  // none for standard output
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace pgmmr
