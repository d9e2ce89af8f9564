// A safetensors file to named tensors.
//
// Format: github.com/huggingface/safetensors (8 bytes header length, a JSON header, the data).
// Strict as its reference reader: tensors lie one behind the other without holes or overlap, the
// last one ends the file, no name occurs twice. Stricter in one thing: a header is at most 100 MB.
// Proven on the conformance kit's broken files, and by a fuzzer.
// Left out: sub-byte types (F4, F6), which no CLIP checkpoint has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "nn/mapped_file.h"

namespace pgmmr {

enum class DataType {
  kF64,
  kF32,
  kF16,
  kBF16,  // what a weight can be
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
  kF8  // what a file may also hold
};

struct Tensor {
  DataType type = DataType::kF32;
  std::string type_name;            // as the file spells it
  std::vector<std::int64_t> shape;  // empty for a scalar
  std::string_view bytes;           // at any address: safetensors promises no alignment

  std::size_t count() const;  // of elements
  bool is_floating() const { return type <= DataType::kBF16; }
};

// "[3, 224]"
std::string shape_text(const std::vector<std::int64_t>& shape);

// Elements first .. first+count-1 as float32; F16 and BF16 become wider exactly, F64 is rounded.
//   requires  a floating tensor that holds them
void copy_floats(const Tensor& tensor, std::size_t first, std::size_t count, float* out);

using TensorMap = std::map<std::string, Tensor, std::less<>>;

// The tensors of a whole file's bytes; they point into bytes.
//   throws  Error{kCorrupt, kUnsupported}; the message begins with name and names the tensor
TensorMap parse_safetensors(std::string_view bytes, const std::string& name);

class Safetensors {
 public:
  //   throws  as MappedFile and parse_safetensors
  explicit Safetensors(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const TensorMap& tensors() const { return tensors_; }
  void release() const { file_.release(); }  // see MappedFile

 private:
  std::filesystem::path path_;
  MappedFile file_;
  TensorMap tensors_;
};

}  // namespace pgmmr
