#include "clip/image_processor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "image/encode.h"

namespace pgmmr {
namespace {

using Json = nlohmann::json;

constexpr int kDefaultSide = 224;
constexpr int kMaxSide = 16384;  // no tower is near it; a bad number must not become an allocation
constexpr std::array kClipMean{0.48145466, 0.4578275, 0.40821073};
constexpr std::array kClipStd{0.26862954, 0.26130258, 0.27577711};

// A JSON object whose values are asked for by key; complaints name file and key.
class Section {
 public:
  Section(const Json& json, std::string file_name, std::string prefix = "")
      : json_(json), file_name_(std::move(file_name)), prefix_(std::move(prefix)) {}

  const Json* find(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }

  [[noreturn]] void fail(const std::string& key, const std::string& what,
                         ErrorKind kind = ErrorKind::kCorrupt) const {
    throw Error(kind, file_name_ + ": " + prefix_ + key + " " + what);
  }

  bool flag(const char* key, bool otherwise) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) fail(key, "is " + shown(*value) + ", true or false expected");
    return value->get<bool>();
  }

  int side(const char* key, const Json& value) const {
    const double number = value.is_number() ? value.get<double>() : std::nan("");
    if (!(number >= 1 && number <= kMaxSide) || number != std::floor(number)) {
      fail(key, "is " + shown(value) + ", a size must be a positive whole number up to " +
                    std::to_string(kMaxSide));
    }
    return static_cast<int>(number);
  }

  double number(const char* key, double otherwise) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_number() || !std::isfinite(value->get<double>())) {
      fail(key, "is " + shown(*value) + ", a finite number expected");
    }
    return value->get<double>();
  }

  // One number a channel; a single number, outside an array, stands for all three.
  std::array<double, 3> channels(const char* key, const std::array<double, 3>& otherwise) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (value->is_number()) {
      const double all = number(key, 0);
      return {all, all, all};
    }
    if (!value->is_array() || value->size() != 3) {
      fail(key, "is " + shown(*value) + ", it needs 3 entries, one a channel");
    }
    std::array<double, 3> result{};
    for (std::size_t i = 0; i < 3; ++i) {
      if (!(*value)[i].is_number() || !std::isfinite((*value)[i].get<double>())) {
        fail(key, "holds " + shown((*value)[i]) + ", finite numbers expected");
      }
      result[i] = (*value)[i].get<double>();
    }
    return result;
  }

  const std::string& file_name() const { return file_name_; }

  static std::string shown(const Json& value) {
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 60) text = text.substr(0, 57) + "...";
    return text;
  }

 private:
  const Json& json_;
  std::string file_name_;
  std::string prefix_;
};

struct Sides {
  int shortest_edge = 0;  // or, where 0:
  int width = 0, height = 0;
};

// transformers' get_size_dict: an integer means the shortest edge of a resize, and both sides of a
// crop; so does a dictionary of either kind.
std::optional<Sides> sides_of(const Section& file, const char* key, bool integer_is_square) {
  const Json* value = file.find(key);
  if (value == nullptr) return std::nullopt;
  Sides sides;
  if (value->is_object()) {
    const Section inner(*value, file.file_name(), std::string(key) + ".");
    const Json* edge = inner.find("shortest_edge");
    const Json* height = inner.find("height");
    const Json* width = inner.find("width");
    if (inner.find("longest_edge") != nullptr || inner.find("max_height") != nullptr ||
        inner.find("max_width") != nullptr) {
      file.fail(
          key,
          "is " + Section::shown(*value) + ", only shortest_edge or height and width are supported",
          ErrorKind::kUnsupported);
    }
    if (edge != nullptr) {
      sides.shortest_edge = inner.side("shortest_edge", *edge);
    } else if (height != nullptr && width != nullptr) {
      sides.height = inner.side("height", *height);
      sides.width = inner.side("width", *width);
    } else {
      file.fail(key,
                "is " + Section::shown(*value) + ", shortest_edge or height and width expected");
    }
  } else if (value->is_array() && value->size() == 2) {
    sides.height = file.side(key, (*value)[0]);
    sides.width = file.side(key, (*value)[1]);
  } else if (integer_is_square) {
    sides.width = sides.height = file.side(key, *value);
  } else {
    sides.shortest_edge = file.side(key, *value);
  }
  return sides;
}

Filter filter_of(const Section& file) {
  const Json* value = file.find("resample");
  if (value == nullptr) return Filter::kBicubic;
  if (!value->is_number_integer() || *value < 0 || *value > static_cast<int>(Filter::kHamming)) {
    file.fail("resample", "is " + Section::shown(*value) + ", a filter number from 0 to 5 expected",
              ErrorKind::kUnsupported);
  }
  return static_cast<Filter>(value->get<int>());
}

Json parse_object(std::string_view text, const std::string& file_name) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::kCorrupt, file_name + ": not valid JSON: " + error.what());
  }
  if (!json.is_object()) {
    throw Error(ErrorKind::kCorrupt,
                file_name + ": holds " + Section::shown(json) + ", a JSON object expected");
  }
  return json;
}

}  // namespace

ImageProcessor ImageProcessor::parse(std::string_view text, const std::string& file_name,
                                     int image_size) {
  const Json json = parse_object(text, file_name);
  // processor_config.json of newer transformers holds the same keys one level down.
  const auto nested = json.find("image_processor");
  const bool is_nested = nested != json.end() && nested->is_object();
  const Section file(is_nested ? *nested : json, file_name, is_nested ? "image_processor." : "");

  ImageProcessor processor;
  const int side = image_size > 0 ? image_size : kDefaultSide;
  processor.resize_ = file.flag("do_resize", true);
  processor.center_crop_ = file.flag("do_center_crop", true);
  processor.filter_ = filter_of(file);

  const Sides size = sides_of(file, "size", false).value_or(Sides{side, 0, 0});
  processor.shortest_edge_ = size.shortest_edge;
  processor.resize_width_ = size.width;
  processor.resize_height_ = size.height;

  const char* decides = "size";
  if (processor.center_crop_) {
    decides = "crop_size";
    const Sides crop = sides_of(file, "crop_size", true).value_or(Sides{0, side, side});
    processor.out_width_ = crop.shortest_edge > 0 ? crop.shortest_edge : crop.width;
    processor.out_height_ = crop.shortest_edge > 0 ? crop.shortest_edge : crop.height;
  } else if (!processor.resize_ || processor.shortest_edge_ > 0) {
    file.fail("do_center_crop",
              "is false, but without a resize to height and width pictures keep their own shapes; "
              "the vision tower needs one",
              ErrorKind::kUnsupported);
  } else {
    processor.out_width_ = processor.resize_width_;
    processor.out_height_ = processor.resize_height_;
  }
  if (image_size > 0 &&
      (processor.out_width_ != image_size || processor.out_height_ != image_size)) {
    file.fail(decides, "gives pictures of " + std::to_string(processor.out_width_) + " x " +
                           std::to_string(processor.out_height_) +
                           ", which does not match vision_config.image_size " +
                           std::to_string(image_size));
  }

  const auto mean = file.channels("image_mean", kClipMean);
  const auto std = file.channels("image_std", kClipStd);
  // The check is on what is divided by: a float32, of which tiny numbers are zero as well.
  if (std::any_of(std.begin(), std.end(),
                  [](double value) { return !(static_cast<float>(value) > 0.0f); })) {
    file.fail("image_std", "is " + Section::shown(*file.find("image_std")) +
                               ", it must not contain 0 or negative numbers");
  }
  processor.fill_tables(file.flag("do_rescale", true), file.number("rescale_factor", 1 / 255.0),
                        file.flag("do_normalize", true), mean, std);
  for (const auto& table : processor.levels_) {
    if (!std::all_of(table.begin(), table.end(),
                     [](float value) { return std::isfinite(value); })) {
      file.fail("image_mean, image_std, rescale_factor", "together leave the range of float32");
    }
  }
  return processor;
}

ImageProcessor ImageProcessor::load(const std::filesystem::path& folder, int image_size) {
  constexpr std::size_t kMaxBytes = 1 << 20;
  const std::filesystem::path old_style = folder / "preprocessor_config.json";
  if (std::filesystem::exists(old_style)) {
    return parse(read_file(old_style, kMaxBytes), old_style.string(), image_size);
  }
  const std::filesystem::path new_style = folder / "processor_config.json";
  if (std::filesystem::exists(new_style)) {
    const std::string text = read_file(new_style, kMaxBytes);
    if (parse_object(text, new_style.string()).contains("image_processor")) {
      return parse(text, new_style.string(), image_size);
    }
  }
  return parse("{}", old_style.string() + " (missing, CLIP's defaults)", image_size);
}

// As numpy computes it in the slow processor: the product in float64, rounded to float32; mean and
// deviation as float32.
void ImageProcessor::fill_tables(bool rescale, double factor, bool normalise,
                                 const std::array<double, 3>& mean,
                                 const std::array<double, 3>& std) {
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t level = 0; level < 256; ++level) {
      const auto stored = static_cast<double>(level);
      float value = static_cast<float>(rescale ? stored * factor : stored);
      if (normalise) {
        value = (value - static_cast<float>(mean[channel])) / static_cast<float>(std[channel]);
      }
      levels_[channel][level] = value;
    }
  }
}

int ImageProcessor::enough_edge() const {
  if (!resize_ || filter_ == Filter::kNearest) return 0;
  const int edge = shortest_edge_ > 0 ? shortest_edge_ : std::max(resize_width_, resize_height_);
  return std::max(2 * edge, kThumbnailSide);
}

Picture ImageProcessor::crop(const Picture& picture) const {
  if (picture.width < 1 || picture.height < 1) {
    throw Error(ErrorKind::kInvalidArgument, "image processor: the picture is empty");
  }
  std::int64_t width = picture.width, height = picture.height;
  if (resize_ && picture.whole_width > 0) {
    width = picture.whole_width;
    height = picture.whole_height;
  }
  if (resize_ && shortest_edge_ > 0) {
    // int(size * long / short): truncated, never rounded.
    const auto scaled = [&](std::int64_t longer, std::int64_t shorter) {
      return static_cast<std::int64_t>(static_cast<double>(shortest_edge_ * longer) /
                                       static_cast<double>(shorter));
    };
    const std::int64_t edge = shortest_edge_;
    if (width <= height) {
      height = scaled(height, width);
      width = edge;
    } else {
      width = scaled(width, height);
      height = edge;
    }
    if (std::max(width, height) > std::numeric_limits<int>::max()) {
      throw Error(ErrorKind::kUnsupported,
                  "image processor: a picture of " + std::to_string(picture.width) + " x " +
                      std::to_string(picture.height) + " pixels is too long for its width");
    }
  } else if (resize_) {
    width = resize_width_;
    height = resize_height_;
  }

  // Where the resized picture is smaller than the crop it is padded with zeros, the odd pixel on
  // the top and the left (ceil); where it is larger it is cut at the floor of the middle.
  struct Span {
    int from, count, to;  // in the resized picture, of pixels, in the result
  };
  const auto middle = [](std::int64_t found, int wanted) {
    if (found >= wanted) return Span{static_cast<int>((found - wanted) / 2), wanted, 0};
    const int count = static_cast<int>(found);
    return Span{0, count, (wanted - count + 1) / 2};
  };
  const Span x = middle(width, out_width_), y = middle(height, out_height_);
  Picture part = resize(picture, static_cast<int>(width), static_cast<int>(height), filter_,
                        {x.from, y.from, x.count, y.count});
  if (part.width == out_width_ && part.height == out_height_) return part;
  Picture padded(out_width_, out_height_);
  for (int row = 0; row < part.height; ++row) {
    std::memcpy(
        padded.rgb.data() +
            (static_cast<std::size_t>(y.to + row) * static_cast<std::size_t>(out_width_) +
             static_cast<std::size_t>(x.to)) *
                3,
        part.rgb.data() + static_cast<std::size_t>(row) * static_cast<std::size_t>(part.width) * 3,
        static_cast<std::size_t>(part.width) * 3);
  }
  return padded;
}

void ImageProcessor::process(const Picture& picture, std::span<float> pixels) const {
  const std::size_t plane =
      static_cast<std::size_t>(out_width_) * static_cast<std::size_t>(out_height_);
  if (pixels.size() != 3 * plane) {
    throw Error(ErrorKind::kInvalidArgument, "image processor: room for " +
                                                 std::to_string(pixels.size()) + " values, " +
                                                 std::to_string(3 * plane) + " expected");
  }
  const Picture cropped = crop(picture);
  const std::uint8_t* from = cropped.rgb.data();
  for (std::size_t i = 0; i < plane; ++i, from += 3) {
    pixels[i] = levels_[0][from[0]];
    pixels[plane + i] = levels_[1][from[1]];
    pixels[2 * plane + i] = levels_[2][from[2]];
  }
}

}  // namespace pgmmr
