#include "nn/activations.h"

#include <cstring>
#include <new>

#include "nn/panel_product.h"

namespace pgmmr {
namespace {

constexpr std::ptrdiff_t kLine = 64;

// oneDNN is fast on dense rows only. Our own kernels want whole lines, and an odd number of them,
// so that the same columns of 32 rows fall into different sets of the cache: rows of 3,072 bf16
// would otherwise share two of them.
std::ptrdiff_t stride_of(Number number, int cols) {
  const auto bytes = static_cast<std::ptrdiff_t>(size_of(number)) * cols;
  if (panel::kernel_for(number) == panel::Kernel::kNone) return bytes;
  const std::ptrdiff_t lines = (bytes + kLine - 1) / kLine;
  return (lines | 1) * kLine;
}

}  // namespace

void Activations::reshape(Number number, int rows, int cols) {
  constexpr std::size_t kSpareRows = 16;
  if (number == number_ && rows == rows_ && cols == cols_ && bytes_) return;
  const std::ptrdiff_t stride = stride_of(number, cols);
  const std::size_t size =
      (static_cast<std::size_t>(stride) * (static_cast<std::size_t>(rows) + kSpareRows) + kLine) /
      kLine * kLine;
  if (size > capacity_) {
    bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(kLine, size)));
    capacity_ = bytes_ ? size : 0;
    if (!bytes_) throw std::bad_alloc();
  }
  // Nobody writes beyond a row's columns, so the zeros stay until the shape changes.
  const std::size_t used = size_of(number) * static_cast<std::size_t>(cols);
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows) + kSpareRows; ++i) {
    std::memset(bytes_.get() + i * static_cast<std::size_t>(stride) + used, 0,
                static_cast<std::size_t>(stride) - used);
  }
  number_ = number;
  rows_ = rows;
  cols_ = cols;
  stride_ = stride;
  if (number == Number::kInt8) {
    scales_.resize(static_cast<std::size_t>(rows));
    sums_.resize(static_cast<std::size_t>(rows));
  }
}

}  // namespace pgmmr
