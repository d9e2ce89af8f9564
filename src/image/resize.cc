#include "image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <string>

#include "base/error.h"
#include "image/resize_kernels.h"

namespace pgmmr {
namespace {

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

// The value of a filter at x, and how far it reaches: Pillow's filters, Resample.c.
double value(Filter filter, double x) {
  switch (filter) {
    case Filter::kBox:
      return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
    case Filter::kBilinear:
      x = std::abs(x);
      return x < 1.0 ? 1.0 - x : 0.0;
    case Filter::kHamming:
      x = std::abs(x);
      if (x == 0.0) return 1.0;
      if (x >= 1.0) return 0.0;
      x *= std::numbers::pi;
      // The float is Pillow's.
      return std::sin(x) / x *
             (static_cast<double>(0.54f) + static_cast<double>(0.46f) * std::cos(x));
    case Filter::kBicubic: {
      constexpr double a = -0.5;
      x = std::abs(x);
      if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
      if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
      return 0.0;
    }
    case Filter::kLanczos:
      return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
    case Filter::kNearest:
      break;
  }
  return 0.0;
}

double reach(Filter filter) {
  switch (filter) {
    case Filter::kBox:
      return 0.5;
    case Filter::kBilinear:
    case Filter::kHamming:
      return 1.0;
    case Filter::kBicubic:
      return 2.0;
    case Filter::kLanczos:
      return 3.0;
    case Filter::kNearest:
      break;
  }
  return 0.0;
}

// The weights of output positions first .. first + count - 1 when `in` positions become `out`:
// precompute_coeffs and normalize_coeffs_8bpc.
Taps taps_of(Filter filter, int in, int out, int first, int count) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = reach(filter) * filter_scale;
  const double step = 1.0 / filter_scale;

  Taps taps;
  taps.ranges.reserve(static_cast<std::size_t>(count));
  std::vector<double> exact;
  for (int position = first; position < first + count; ++position) {
    const double center = (position + 0.5) * scale;
    const int begin = std::max(0, static_cast<int>(center - support + 0.5));
    const int end = static_cast<int>(std::min<double>(in, center + support + 0.5));
    exact.clear();
    double sum = 0.0;
    for (int x = begin; x < end; ++x) {
      exact.push_back(value(filter, (x - center + 0.5) * step));
      sum += exact.back();
    }
    taps.ranges.push_back({begin, end - begin, taps.weights.size()});
    for (double weight : exact) {
      if (sum != 0.0) weight /= sum;
      const double scaled = weight * (1 << kWeightBits);
      taps.weights.push_back(static_cast<std::int32_t>(scaled + (scaled < 0 ? -0.5 : 0.5)));
    }
  }
  return taps;
}

std::size_t row_bytes(const Picture& picture) {
  return static_cast<std::size_t>(picture.width) * 3;
}

void check(const Picture& picture, int width, int height, Filter filter, const Rectangle& crop) {
  if (picture.width < 1 || picture.height < 1 ||
      picture.rgb.size() != row_bytes(picture) * static_cast<std::size_t>(picture.height)) {
    throw Error(ErrorKind::kInvalidArgument, "resize: the picture is empty");
  }
  if (width < 1 || height < 1) {
    throw Error(ErrorKind::kInvalidArgument, "resize: asked for " + std::to_string(width) + " x " +
                                                 std::to_string(height) +
                                                 " pixels, each must be at least 1");
  }
  if (crop.left < 0 || crop.top < 0 || crop.width < 1 || crop.height < 1 ||
      crop.left > width - crop.width || crop.top > height - crop.height) {
    throw Error(ErrorKind::kInvalidArgument,
                "resize: a crop of " + std::to_string(crop.width) + " x " +
                    std::to_string(crop.height) + " at " + std::to_string(crop.left) + ", " +
                    std::to_string(crop.top) + " is not inside " + std::to_string(width) + " x " +
                    std::to_string(height));
  }
  if (filter < Filter::kNearest || filter > Filter::kHamming) {
    throw Error(ErrorKind::kUnsupported,
                "resize: there is no filter " + std::to_string(static_cast<int>(filter)));
  }
}

// Which input position each output position takes: ImagingScaleAffine, which adds up in steps.
std::vector<int> nearest_positions(int in, int out, int first, int count) {
  const double scale = static_cast<double>(in) / out;
  std::vector<int> positions;
  positions.reserve(static_cast<std::size_t>(count));
  double at = scale * 0.5;
  for (int i = 0; i < first + count; ++i, at += scale) {
    if (i >= first) positions.push_back(std::min(static_cast<int>(at), in - 1));
  }
  return positions;
}

Picture resize_nearest(const Picture& picture, int width, int height, const Rectangle& crop) {
  const auto columns = nearest_positions(picture.width, width, crop.left, crop.width);
  const auto rows = nearest_positions(picture.height, height, crop.top, crop.height);
  Picture out(crop.width, crop.height);
  std::uint8_t* to = out.rgb.data();
  for (const int row : rows) {
    const std::uint8_t* from =
        picture.rgb.data() + static_cast<std::size_t>(row) * row_bytes(picture);
    for (const int column : columns) {
      std::memcpy(to, from + std::size_t{3} * static_cast<std::size_t>(column), 3);
      to += 3;
    }
  }
  return out;
}

Picture cut(const Picture& picture, const Rectangle& crop) {
  Picture out(crop.width, crop.height);
  for (int y = 0; y < crop.height; ++y) {
    std::memcpy(out.rgb.data() + static_cast<std::size_t>(y) * row_bytes(out),
                picture.rgb.data() + static_cast<std::size_t>(crop.top + y) * row_bytes(picture) +
                    std::size_t{3} * static_cast<std::size_t>(crop.left),
                row_bytes(out));
  }
  return out;
}

// Columns first .. first + columns - 1 of rows begin .. end - 1, resized to `width` wide.
Picture horizontal_pass(const ResizeKernels& kernels, const Picture& picture, int begin, int end,
                        int width, Filter filter, int first, int columns) {
  Picture out(columns, end - begin);
  const std::size_t offset = static_cast<std::size_t>(begin) * row_bytes(picture);
  // Very wide input: the weights of all columns together would outgrow the picture.
  constexpr double kWeightsAtOnce = 1 << 20;
  const double taps =
      2 * reach(filter) * std::max(1.0, static_cast<double>(picture.width) / width) + 2;
  const int step = static_cast<int>(std::clamp(kWeightsAtOnce / taps, 1.0, 1.0 * columns));
  for (int done = 0; done < columns; done += step) {
    const int now = std::min(step, columns - done);
    kernels.horizontal(picture.rgb.data() + offset, picture.rgb.size() - offset, row_bytes(picture),
                       out.rgb.data() + std::size_t{3} * static_cast<std::size_t>(done),
                       row_bytes(out), end - begin,
                       taps_of(filter, picture.width, width, first + done, now));
  }
  return out;
}

}  // namespace

Picture resize(const Picture& picture, int width, int height, Filter filter,
               const Rectangle& crop) {
  return resize_with(resize_kernels(), picture, width, height, filter, crop);
}

Picture resize_with(const ResizeKernels& kernels, const Picture& picture, int width, int height,
                    Filter filter, const Rectangle& crop) {
  check(picture, width, height, filter, crop);
  if (width == picture.width && height == picture.height) return cut(picture, crop);
  if (filter == Filter::kNearest) return resize_nearest(picture, width, height, crop);
  if (height == picture.height) {
    return horizontal_pass(kernels, picture, crop.top, crop.top + crop.height, width, filter,
                           crop.left, crop.width);
  }

  Taps rows = taps_of(filter, picture.height, height, crop.top, crop.height);
  int begin = std::numeric_limits<int>::max(), end = 0;
  for (const auto& range : rows.ranges) {
    begin = std::min(begin, range.first);
    end = std::max(end, range.first + range.count);
  }
  Picture narrow;
  const std::uint8_t* from = nullptr;
  std::size_t stride = 0;
  if (width == picture.width) {
    stride = row_bytes(picture);
    from = picture.rgb.data() + static_cast<std::size_t>(begin) * stride +
           std::size_t{3} * static_cast<std::size_t>(crop.left);
  } else {
    narrow = horizontal_pass(kernels, picture, begin, end, width, filter, crop.left, crop.width);
    stride = row_bytes(narrow);
    from = narrow.rgb.data();
  }
  Picture out(crop.width, crop.height);
  for (std::size_t y = 0; y < rows.ranges.size(); ++y) {
    const auto& range = rows.ranges[y];
    kernels.vertical(from + static_cast<std::size_t>(range.first - begin) * stride, stride,
                     rows.weights.data() + range.offset, range.count,
                     out.rgb.data() + y * row_bytes(out), row_bytes(out));
  }
  return out;
}

Picture resize(const Picture& picture, int width, int height, Filter filter) {
  return resize(picture, width, height, filter, {0, 0, width, height});
}

Picture resize_plain(const Picture& picture, int width, int height, Filter filter) {
  check(picture, width, height, filter, {0, 0, width, height});
  if (filter == Filter::kNearest)
    return resize_nearest(picture, width, height, {0, 0, width, height});
  Picture result = picture;
  const auto sum_of = [](const Taps& taps, std::size_t i, const std::uint8_t* first,
                         std::size_t step) {
    std::int32_t sum = 1 << (kWeightBits - 1);
    for (int tap = 0; tap < taps.ranges[i].count; ++tap) {
      const auto index = static_cast<std::size_t>(tap);
      sum += taps.weights[taps.ranges[i].offset + index] * first[index * step];
    }
    return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
  };
  if (width != picture.width) {
    const Taps taps = taps_of(filter, picture.width, width, 0, width);
    Picture out(width, picture.height);
    for (std::size_t y = 0; y < static_cast<std::size_t>(out.height); ++y) {
      for (std::size_t x = 0; x < static_cast<std::size_t>(width); ++x) {
        for (std::size_t channel = 0; channel < 3; ++channel) {
          const auto first = static_cast<std::size_t>(taps.ranges[x].first);
          out.rgb[(y * static_cast<std::size_t>(width) + x) * 3 + channel] =
              sum_of(taps, x, &result.rgb[y * row_bytes(result) + first * 3 + channel], 3);
        }
      }
    }
    result = std::move(out);
  }
  if (height != picture.height) {
    const Taps taps = taps_of(filter, picture.height, height, 0, height);
    Picture out(width, height);
    for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y) {
      for (std::size_t x = 0; x < row_bytes(out); ++x) {
        const auto first = static_cast<std::size_t>(taps.ranges[y].first);
        out.rgb[y * row_bytes(out) + x] =
            sum_of(taps, y, &result.rgb[first * row_bytes(out) + x], row_bytes(out));
      }
    }
    result = std::move(out);
  }
  return result;
}

}  // namespace pgmmr
