#include "image/resize_kernels.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace pgmmr {
namespace {

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

inline std::uint8_t clamped(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

// Rows that are worked on side by side: with a constant count and unit stride a compiler keeps
// their sums in vector registers, whatever the CPU.
constexpr std::size_t kLanes = 16;

// One output pixel of kLanes rows, from columns[3 * x + channel][row].
void lanes_of_pixel(const std::uint8_t (*columns)[kLanes], const std::int32_t* weights, int count,
                    std::uint8_t (*out)[kLanes]) {
  std::int32_t sums[3][kLanes];
  for (auto& sum : sums) std::fill_n(sum, kLanes, kHalf);
  for (int i = 0; i < count; ++i, columns += 3) {
    const std::int32_t weight = weights[i];
    for (std::size_t channel = 0; channel < 3; ++channel) {
      for (std::size_t row = 0; row < kLanes; ++row) {
        sums[channel][row] += weight * columns[channel][row];
      }
    }
  }
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t row = 0; row < kLanes; ++row) out[channel][row] = clamped(sums[channel][row]);
  }
}

// A block of rows is turned on its side, so that the sums run along memory: each input byte is
// moved once and multiplied about four times.
void horizontal_portable(const std::uint8_t* in, std::size_t /*in_bytes*/, std::size_t in_stride,
                         std::uint8_t* out, std::size_t out_stride, int rows, const Taps& taps) {
  constexpr std::size_t kPixels = 32;  // so many output pixels' input stays in the first cache
  std::vector<std::uint8_t> turned;
  for (int top = 0; top < rows; top += static_cast<int>(kLanes)) {
    const std::size_t now = std::min(kLanes, static_cast<std::size_t>(rows - top));
    const std::uint8_t* const from = in + static_cast<std::size_t>(top) * in_stride;
    std::uint8_t* const to = out + static_cast<std::size_t>(top) * out_stride;
    for (std::size_t first = 0; first < taps.ranges.size(); first += kPixels) {
      const std::size_t last = std::min(first + kPixels, taps.ranges.size());
      int begin = std::numeric_limits<int>::max(), end = 0;
      for (std::size_t i = first; i < last; ++i) {
        begin = std::min(begin, taps.ranges[i].first);
        end = std::max(end, taps.ranges[i].first + taps.ranges[i].count);
      }
      const std::size_t columns = std::size_t{3} * static_cast<std::size_t>(end - begin);
      turned.resize(std::max(turned.size(), columns * kLanes));
      for (std::size_t row = 0; row < now; ++row) {
        const std::uint8_t* line =
            from + row * in_stride + std::size_t{3} * static_cast<std::size_t>(begin);
        for (std::size_t x = 0; x < columns; ++x) turned[x * kLanes + row] = line[x];
      }
      const auto* columns_of = reinterpret_cast<const std::uint8_t(*)[kLanes]>(turned.data());
      for (std::size_t i = first; i < last; ++i) {
        const auto& range = taps.ranges[i];
        std::uint8_t pixel[3][kLanes];
        lanes_of_pixel(columns_of + std::ptrdiff_t{3} * (range.first - begin),
                       taps.weights.data() + range.offset, range.count, pixel);
        for (std::size_t row = 0; row < now; ++row) {
          for (std::size_t channel = 0; channel < 3; ++channel) {
            to[row * out_stride + 3 * i + channel] = pixel[channel][row];
          }
        }
      }
    }
  }
}

void vertical_portable(const std::uint8_t* in, std::size_t in_stride, const std::int32_t* weights,
                       int count, std::uint8_t* out, std::size_t row_bytes) {
  std::size_t x = 0;
  for (; x + kLanes <= row_bytes; x += kLanes) {
    std::int32_t sums[kLanes];
    std::fill_n(sums, kLanes, kHalf);
    const std::uint8_t* from = in + x;
    for (int i = 0; i < count; ++i, from += in_stride) {
      for (std::size_t j = 0; j < kLanes; ++j) sums[j] += weights[i] * from[j];
    }
    for (std::size_t j = 0; j < kLanes; ++j) out[x + j] = clamped(sums[j]);
  }
  for (; x < row_bytes; ++x) {
    std::int32_t sum = kHalf;
    const std::uint8_t* from = in + x;
    for (int i = 0; i < count; ++i, from += in_stride) sum += weights[i] * *from;
    out[x] = clamped(sum);
  }
}

}  // namespace

ResizeKernels portable_resize_kernels() {
  return {"portable", horizontal_portable, vertical_portable};
}

std::vector<ResizeKernels> usable_resize_kernels() {
  std::vector<ResizeKernels> kernels{portable_resize_kernels()};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) kernels.push_back(avx2_resize_kernels());
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi") &&
      __builtin_cpu_supports("avx512vnni")) {
    kernels.push_back(avx512_resize_kernels());
  }
#endif
  return kernels;
}

const ResizeKernels& resize_kernels() {
  static const ResizeKernels chosen = usable_resize_kernels().back();
  return chosen;
}

}  // namespace pgmmr
