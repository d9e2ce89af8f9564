// A file's bytes, mapped into memory: nothing is read before it is touched, and every process that
// maps the same file shares the pages.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace pgmmr {

class MappedFile {
 public:
  //   throws  Error{kNotFound} where there is none, kInvalidArgument for what is not a regular
  //           file, kUnavailable where mapping fails
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

  // Lets the pages go; a later read brings them back from the file.
  void release() const;

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace pgmmr
