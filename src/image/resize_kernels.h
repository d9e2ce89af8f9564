// The inner loops of resize(): rows of 8-bit RGB times 22-bit integer weights, clamped to 8 bits.
//
// Each loop exists for any CPU, in a shape that compilers turn into vectors, and twice by hand for
// x86; the choice is made once, at run time. All give the same bytes as resize_plain(): the sums
// are exact integers, so their order doesn't matter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pgmmr {

inline constexpr int kWeightBits = 22;  // Pillow's PRECISION_BITS for 8-bit pictures

// The weights of some neighbouring output positions along one axis.
struct Taps {
  struct Range {
    int first = 0;           // input position of the first weight
    int count = 0;           // weights
    std::size_t offset = 0;  // of the first weight in `weights`
  };
  std::vector<Range> ranges;          // one an output position
  std::vector<std::int32_t> weights;  // scaled by 2^kWeightBits
};

// Horizontal pass: out row y, pixel i = taps i over in row y, for `rows` rows. Strides are in
// bytes. Reads in up to its end, `in_bytes` after `in`, never past it.
using HorizontalPass = void (*)(const std::uint8_t* in, std::size_t in_bytes, std::size_t in_stride,
                                std::uint8_t* out, std::size_t out_stride, int rows,
                                const Taps& taps);

// Vertical pass: one output row of row_bytes bytes from `count` input rows, the first at `in`.
using VerticalPass = void (*)(const std::uint8_t* in, std::size_t in_stride,
                              const std::int32_t* weights, int count, std::uint8_t* out,
                              std::size_t row_bytes);

struct ResizeKernels {
  const char* name;
  HorizontalPass horizontal;
  VerticalPass vertical;
};

ResizeKernels portable_resize_kernels();
ResizeKernels avx2_resize_kernels();    // x86-64 only
ResizeKernels avx512_resize_kernels();  // x86-64 only; VBMI and VNNI as well

// All that this CPU can run, the slowest first.
std::vector<ResizeKernels> usable_resize_kernels();

// The last of them.
const ResizeKernels& resize_kernels();

}  // namespace pgmmr
