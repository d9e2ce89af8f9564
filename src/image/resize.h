// Pillow's resampling, bit for bit: libImaging/Resample.c, 8-bit, horizontal pass first, 22-bit
// integer weights.
#pragma once

#include "image/picture.h"

namespace pgmmr {

enum class Filter {
  kNearest = 0,
  kLanczos = 1,
  kBilinear = 2,
  kBicubic = 3,
  kBox = 4,
  kHamming = 5
};  // PIL.Image's

struct Rectangle {
  int left = 0, top = 0, width = 0, height = 0;  // in pixels of the resized picture
};

// Resizes to width x height and returns only the part inside crop, computing no more than that (a 2
// px wide picture resized to 224 x 67200 costs no more than its crop).
//   throws   Error{kInvalidArgument} for sizes below 1 or a crop outside, kUnsupported for a filter
//   not built threads  safe to call at once
Picture resize(const Picture& picture, int width, int height, Filter filter, const Rectangle& crop);

// The whole of it.
Picture resize(const Picture& picture, int width, int height, Filter filter = Filter::kBicubic);

// resize() with the inner loops of another CPU than this one, for tests and benchmarks.
struct ResizeKernels;
Picture resize_with(const ResizeKernels& kernels, const Picture& picture, int width, int height,
                    Filter filter, const Rectangle& crop);

// The plain version, scalar and unfused: the specification that resize() is tested against.
Picture resize_plain(const Picture& picture, int width, int height, Filter filter);

}  // namespace pgmmr
