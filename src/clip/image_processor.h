// A picture to the vision tower's input: resize, centre crop, rescale, normalise, as
// preprocessor_config.json says.
//
// Follows transformers' CLIPImageProcessor (the slow one, on Pillow). Proven bit for bit on the
// conformance kit. Left out: resizing to other measures than shortest_edge or height and width.
#pragma once

#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "image/picture.h"
#include "image/resize.h"

namespace pgmmr {

class ImageProcessor {
 public:
  // Reads folder/preprocessor_config.json, else the image_processor section of
  // folder/processor_config.json; where there is neither, CLIP's defaults at image_size.
  //   image_size  the vision tower's side in pixels, which the result must have; 0 takes what the
  //               file says
  //   throws      Error{kCorrupt, kUnsupported}; the message names file and key
  static ImageProcessor load(const std::filesystem::path& folder, int image_size);
  static ImageProcessor parse(std::string_view json, const std::string& file_name, int image_size);

  int width() const { return out_width_; }
  int height() const { return out_height_; }

  // The shorter edge, in pixels, from which a picture may be read at a fraction of its size
  // (DecodeOptions::enough_edge): twice what it is resized to, so that the resize still has
  // something to average, and enough for a thumbnail, so that whoever keeps one reads the same
  // pixels. 0 where only all pixels do: no resize, or one that picks single pixels.
  int enough_edge() const;

  // Resize and crop (or pad with zeros) to width() x height(), still 8-bit. The shape of a picture
  // that was read at a fraction of its size is taken from the whole one.
  //   throws  Error{kUnsupported} for a picture so narrow that its resized length has no number,
  //           kInvalidArgument for an empty one
  Picture crop(const Picture& picture) const;

  // Channels first: [3, height, width] written to pixels.
  //   throws  as crop(), and Error{kInvalidArgument} unless pixels holds 3 * height * width values
  void process(const Picture& picture, std::span<float> pixels) const;

 private:
  ImageProcessor() = default;
  void fill_tables(bool rescale, double factor, bool normalise, const std::array<double, 3>& mean,
                   const std::array<double, 3>& std);

  bool resize_ = true;
  int shortest_edge_ = 0;  // 0: resize to resize_width_ x resize_height_
  int resize_width_ = 0, resize_height_ = 0;
  Filter filter_ = Filter::kBicubic;
  bool center_crop_ = true;
  int out_width_ = 0, out_height_ = 0;
  // What each of the 256 levels becomes, a table a channel: there are no other inputs.
  std::array<std::array<float, 256>, 3> levels_{};
};

}  // namespace pgmmr
