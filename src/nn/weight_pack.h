// One tower's weights as its kernels read them, one part behind the other, in memory or in a file.
//
// Converting a checkpoint to what the kernels read takes a hundred times as long as reading the
// result. So whoever builds a tower asks for its parts in a fixed order: the first time each part
// is made, and what was made can be saved; later processes map that file, share its pages, and make
// nothing. The file's name and place are the caller's; a key inside says what it was made from.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "nn/mapped_file.h"

namespace pgmmr {

class WeightPack {
 public:
  // Empty: every part will be made.
  WeightPack() = default;

  // A saved pack. Its checksum covers all of it, at the speed of memory; whoever knows that the
  // file has not changed since it was checked has only its head checked.
  enum class Check { kAll, kHead };
  //   throws  Error{kNotFound} without a file; kCorrupt where it is damaged or was made from
  //   another
  //           key
  WeightPack(const std::filesystem::path& path, const std::string& key, Check check = Check::kAll);

  // The next part, which begins on a cache line and stays where it is as long as this object or one
  // it was moved to. A part that is not there yet is zero and given to `make`.
  //   throws  Error{kCorrupt} where the file's next part has another size
  std::span<const std::byte> part(std::size_t bytes,
                                  const std::function<void(std::span<std::byte>)>& make);

  // The same for float32 values.
  std::span<const float> floats(std::size_t count,
                                const std::function<void(std::span<float>)>& make);

  // Writes beside the target and renames. Only for a pack that was made here.
  //   throws  Error{kUnavailable}
  void save(const std::filesystem::path& path, const std::string& key) const;

  std::size_t bytes() const;  // of all parts

 private:
  struct Free {
    void operator()(std::byte* p) const noexcept;
  };
  struct Part {
    std::unique_ptr<std::byte, Free> bytes;
    std::size_t size;
  };

  std::vector<Part> made_;
  std::unique_ptr<MappedFile> file_;
  std::vector<std::size_t> sizes_;  // of the file's parts
  std::size_t next_ = 0;            // of the file's parts
  std::size_t offset_ = 0;          // where that one begins
};

}  // namespace pgmmr
