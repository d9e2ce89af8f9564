// Rows of numbers between two layers, in the form that the next one reads.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace pgmmr {

// bfloat16: the upper half of a float32.
struct Bf16 {
  std::uint16_t bits = 0;
};

inline Bf16 to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return {static_cast<std::uint16_t>(bits >> 16 | 0x40)};  // NaN stays one
  return {static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)};
}
inline float from_bf16(Bf16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

enum class Number {
  kF32,
  kBf16,
  kInt8,  // a row is its integers times the row's scale
};

constexpr std::size_t size_of(Number number) {
  return number == Number::kF32 ? sizeof(float) : number == Number::kBf16 ? sizeof(Bf16) : 1;
}

// Rows that oneDNN multiplies are dense. For our own kernels (nn/panel_product.h) rows begin on
// cache lines, and between a row's end and the next one are zeros, which they may read. Behind the
// last row there is room for 16 more, unused.
class Activations {
 public:
  // Keeps its memory where it is large enough. The values are undefined afterwards.
  void reshape(Number number, int rows, int cols);

  Number number() const { return number_; }
  int rows() const { return rows_; }
  int cols() const { return cols_; }
  std::ptrdiff_t stride() const { return stride_; }  // bytes from a row to the next

  template <typename T>
  T* row(int i) {
    return reinterpret_cast<T*>(bytes_.get() + i * stride_);
  }
  template <typename T>
  const T* row(int i) const {
    return reinterpret_cast<const T*>(bytes_.get() + i * stride_);
  }
  float* scales() { return scales_.data(); }  // of kInt8, one a row
  const float* scales() const { return scales_.data(); }
  std::int32_t* sums() { return sums_.data(); }  // of kInt8, of a row's integers
  const std::int32_t* sums() const { return sums_.data(); }

 private:
  struct Free {
    void operator()(std::byte* p) const noexcept { std::free(p); }
  };

  Number number_ = Number::kF32;
  int rows_ = 0, cols_ = 0;
  std::ptrdiff_t stride_ = 0;
  std::size_t capacity_ = 0;  // bytes
  std::unique_ptr<std::byte, Free> bytes_;
  std::vector<float> scales_;
  std::vector<std::int32_t> sums_;
};

}  // namespace pgmmr
