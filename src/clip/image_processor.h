// A picture to the vision tower's input: resize, centre crop, rescale, normalise, as
// preprocessor_config.json says.
//
// Follows transformers' CLIPImageProcessor (the slow one, on Pillow). Proven bit for bit on the
// conformance kit.
#pragma once

#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "image/picture.h"
#include "image/resize.h"

namespace pgmmr {

class ImageProcessor {
 public:
  // Reads folder/preprocessor_config.json; where there is none, CLIP's defaults at image_size.
  //   image_size  the vision tower's side in pixels, which the result must have; 0 takes what the
  //   file says throws      Error{kCorrupt, kUnsupported}; the message names file and key
  static ImageProcessor load(const std::filesystem::path& folder, int image_size);
  static ImageProcessor parse(std::string_view json, const std::string& file_name, int image_size);

  int width() const { return out_width_; }
  int height() const { return out_height_; }

  // Resize and crop (or pad with zeros) to width() x height(), still 8-bit.
  Picture crop(const Picture& picture) const;

  // Channels first: [3, height, width] written to pixels, which must hold 3 * height * width
  // values.
  void process(const Picture& picture, std::span<float> pixels) const;

 private:
  bool resize_ = true;
  bool keep_aspect_ = true;
  int shortest_edge_ = 224;
  int resize_width_ = 224, resize_height_ = 224;
  Filter filter_ = Filter::kBicubic;
  bool center_crop_ = true;
  int out_width_ = 224, out_height_ = 224;
  bool rescale_ = true;
  double rescale_factor_ = 1 / 255.0;
  bool normalize_ = true;
  std::array<float, 3> mean_{0.48145466f, 0.4578275f, 0.40821073f};
  std::array<float, 3> std_{0.26862954f, 0.26130258f, 0.27577711f};
};

}  // namespace pgmmr
