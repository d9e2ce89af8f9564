#include "image/reduced_jpeg.h"

#include <gtest/gtest.h>
#include <jpeglib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numbers>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "image/decode.h"
#include "image/jpeg.h"
#include "image/waves_test.h"

namespace pgmmr {
namespace {

struct Form {
  int across = 1, down = 1;  // blocks of light for one of colour
  bool gray = false;
  int restart_interval = 0;
  int quality = 90;
};

// libjpeg's encoding, after `change`.
std::string encoded(const Picture& picture, const Form& form,
                    const std::function<void(jpeg_compress_struct&)>& change = {}) {
  jpeg_compress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = static_cast<JDIMENSION>(picture.width);
  jpeg.image_height = static_cast<JDIMENSION>(picture.height);
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, form.quality, TRUE);
  if (form.gray) jpeg_set_colorspace(&jpeg, JCS_GRAYSCALE);
  jpeg.comp_info[0].h_samp_factor = form.across;
  jpeg.comp_info[0].v_samp_factor = form.down;
  jpeg.restart_interval = static_cast<unsigned>(form.restart_interval);
  if (change) change(jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(picture.rgb.data()) +
                   std::size_t{3} * static_cast<std::size_t>(picture.width) * jpeg.next_scanline;
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  const std::string result(reinterpret_cast<const char*>(bytes), size);
  std::free(bytes);
  return result;
}

// Not through decode_jpeg, which asks libjpeg where this gives up.
bool read(const std::string& file, int reduction, Picture& picture) {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  errors.emit_message = [](j_common_ptr, int) {};
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_read_header(&jpeg, TRUE);
  const auto divided = [&](JDIMENSION whole) {
    return (static_cast<int>(whole) + reduction - 1) / reduction;
  };
  picture = Picture(divided(jpeg.image_width), divided(jpeg.image_height));
  const bool was_read = read_reduced(jpeg, {jpeg.src->next_input_byte, jpeg.src->bytes_in_buffer},
                                     reduction, picture);
  jpeg_destroy_decompress(&jpeg);
  return was_read;
}

bool reads(const std::string& file, int reduction = 4) {
  Picture picture;
  return read(file, reduction, picture);
}

// How far the pixels are from the means of those they stand for; at the edges, of what there is.
struct Distance {
  double mean = 0, most = 0;  // of red, green and blue
  double most_light = 0;
};
Distance distance(const Picture& small, const Picture& whole, int reduction) {
  constexpr std::array<double, 3> kLight{0.299, 0.587, 0.114};
  Distance distance;
  for (int y = 0; y < small.height; ++y) {
    for (int x = 0; x < small.width; ++x) {
      double light = 0;
      for (int channel = 0; channel < 3; ++channel) {
        double sum = 0;
        int count = 0;
        for (int v = y * reduction; v < std::min((y + 1) * reduction, whole.height); ++v) {
          for (int u = x * reduction; u < std::min((x + 1) * reduction, whole.width); ++u) {
            sum += whole.rgb[static_cast<std::size_t>((v * whole.width + u) * 3 + channel)];
            ++count;
          }
        }
        const double one =
            sum / count - small.rgb[static_cast<std::size_t>((y * small.width + x) * 3 + channel)];
        distance.mean += std::abs(one) / (small.width * small.height * 3);
        distance.most = std::max(distance.most, std::abs(one));
        light += one * kLight[static_cast<std::size_t>(channel)];
      }
      distance.most_light = std::max(distance.most_light, std::abs(light));
    }
  }
  return distance;
}

TEST(ReducedJpeg, ShowsTheMeansOfTheWholePicture) {
  for (const auto& [width, height] : {std::pair{320, 256}, std::pair{203, 131}, {64, 333}}) {
    const Picture picture = waves(width, height);
    for (const Form& form :
         {Form{}, Form{2, 1}, Form{1, 2}, Form{2, 2}, Form{.gray = true}, Form{2, 2, true},
          Form{2, 2, false, 1}, Form{2, 2, false, 7}, Form{.restart_interval = 3, .quality = 30}}) {
      const std::string file = encoded(picture, form);
      const Picture whole = decode_picture(file, "whole");
      for (const int reduction : {4, 8}) {
        SCOPED_TRACE(std::to_string(width) + " by " + std::to_string(height) + ", light " +
                     std::to_string(form.across) + " by " + std::to_string(form.down) +
                     (form.gray ? ", gray" : "") + ", restart interval " +
                     std::to_string(form.restart_interval) + ", 1/" + std::to_string(reduction));
        Picture small;
        ASSERT_TRUE(read(file, reduction, small));
        const Distance far = distance(small, whole, reduction);
        EXPECT_LT(far.most_light, 4);
        // Repeated colour is up to half of its pixel away.
        const bool repeated = !form.gray && form.across * form.down > 1;
        EXPECT_LT(far.mean, repeated ? 9 : 1);
        EXPECT_LT(far.most, repeated ? 32 : 6);
      }
    }
  }
}

Picture noise(int width, int height) {
  std::mt19937 random(1);
  Picture picture(width, height);
  for (auto& level : picture.rgb) level = static_cast<std::uint8_t>(random());
  return picture;
}

// One colour as libjpeg reads its frequencies, and the means that the lowest ones give (T.81,
// A.3.3), in double precision.
class Means {
 public:
  Means(jpeg_decompress_struct& jpeg, jvirt_barray_ptr* blocks, int colour, int edge)
      : edge_(edge), width_(static_cast<int>(jpeg.comp_info[colour].width_in_blocks) * edge) {
    const jpeg_component_info& component = jpeg.comp_info[colour];
    for (JDIMENSION y = 0; y < component.height_in_blocks; ++y) {
      JBLOCKARRAY row = jpeg.mem->access_virt_barray(reinterpret_cast<j_common_ptr>(&jpeg),
                                                     blocks[colour], y, 1, FALSE);
      for (int v = 0; v < edge; ++v) {
        for (int x = 0; x < width_; ++x) {
          levels_.push_back(mean(row[0][x / edge], component.quant_table->quantval, x % edge, v));
        }
      }
    }
  }

  double at(int x, int y) const { return levels_[static_cast<std::size_t>(y * width_ + x)]; }

 private:
  double mean(const JCOEF* block, const UINT16* steps, int x, int y) const {
    double sum = 128;
    for (int v = 0; v < edge_; ++v) {
      for (int u = 0; u < edge_; ++u) {
        sum += block[v * 8 + u] * steps[v * 8 + u] * share(u, x) * share(v, y);
      }
    }
    return std::clamp(sum, 0.0, 255.0);
  }
  double share(int frequency, int part) const {
    double sum = 0;
    const int size = 8 / edge_;
    for (int i = part * size; i < (part + 1) * size; ++i) {
      sum += std::cos((2 * i + 1) * frequency * std::numbers::pi / 16);
    }
    return (frequency == 0 ? std::sqrt(0.5) : 1) / 2 * sum / size;
  }

  int edge_, width_;
  std::vector<double> levels_;
};

// The largest difference of a picture to those means.
double distance_to_means(const std::string& file, int reduction, const Picture& picture) {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_read_header(&jpeg, TRUE);
  jvirt_barray_ptr* blocks = jpeg_read_coefficients(&jpeg);
  const int across = jpeg.max_h_samp_factor, down = jpeg.max_v_samp_factor;
  const bool gray = jpeg.num_components == 1, finer = reduction == 8 && across * down == 4;
  std::vector<Means> means;
  for (int i = 0; i < jpeg.num_components; ++i) {
    means.emplace_back(jpeg, blocks, i, i > 0 && finer ? 2 : 8 / reduction);
  }
  double most = 0;
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) {
      const int u = finer ? x : x / across, v = finer ? y : y / down;
      const double light = means[0].at(x, y);
      const double blue = gray ? 0 : means[1].at(u, v) - 128,
                   red = gray ? 0 : means[2].at(u, v) - 128;
      const std::array expected{light + 1.402 * red, light - 0.344136 * blue - 0.714136 * red,
                                light + 1.772 * blue};
      for (std::size_t i = 0; i < 3; ++i) {
        const auto at = static_cast<std::size_t>(y * picture.width + x) * 3 + i;
        most = std::max(most, std::abs(std::clamp(expected[i], 0.0, 255.0) - picture.rgb[at]));
      }
    }
  }
  jpeg_destroy_decompress(&jpeg);
  return most;
}

// Each level is rounded, then colours are, 1.772 of them at most.
TEST(ReducedJpeg, ShowsTheFrequenciesThatLibjpegReads) {
  for (const auto& [width, height] : {std::pair{128, 96}, std::pair{101, 67}, {17, 130}}) {
    for (const Picture& picture : {noise(width, height), waves(width, height)}) {
      for (Form form : {Form{}, Form{2, 1}, Form{1, 2}, Form{2, 2}, Form{.gray = true},
                        Form{2, 2, true}, Form{2, 2, false, 1}, Form{.restart_interval = 5}}) {
        for (const int quality : {100, 75, 10}) {
          form.quality = quality;
          for (const bool optimised : {false, true}) {
            const std::string file = encoded(picture, form, [&](jpeg_compress_struct& jpeg) {
              jpeg.optimize_coding = optimised ? TRUE : FALSE;
            });
            for (const int reduction : {4, 8}) {
              Picture small;
              ASSERT_TRUE(read(file, reduction, small));
              EXPECT_LE(distance_to_means(file, reduction, small), 2.5)
                  << width << " by " << height << ", light " << form.across << " by " << form.down
                  << (form.gray ? ", gray" : "") << ", quality " << quality << ", 1/" << reduction;
            }
          }
        }
      }
    }
  }
}

TEST(ReducedJpeg, LeavesOtherKindsToLibjpeg) {
  const Picture picture = waves(160, 128);
  ASSERT_TRUE(reads(encoded(picture, {2, 2})));
  const auto refuses = [&](const char* what, const Form& form,
                           const std::function<void(jpeg_compress_struct&)>& change) {
    SCOPED_TRACE(what);
    const std::string file = encoded(picture, form, change);
    EXPECT_FALSE(reads(file));
    const JpegPicture decoded = decode_jpeg(file, what, 1 << 20, 32);
    EXPECT_EQ(decoded.picture.width, 40);
    EXPECT_EQ(decoded.picture.height, 32);
    EXPECT_LT(distance(decoded.picture, picture, 4).mean, 5);
  };
  refuses("progressive", {}, [](auto& jpeg) { jpeg_simple_progression(&jpeg); });
  refuses("arithmetic", {}, [](auto& jpeg) { jpeg.arith_code = TRUE; });
  refuses("RGB", {}, [](auto& jpeg) { jpeg_set_colorspace(&jpeg, JCS_RGB); });
  refuses("four blocks across", {4, 1}, {});
  refuses("colour finer than light", {}, [](auto& jpeg) { jpeg.comp_info[1].h_samp_factor = 2; });
  static const jpeg_scan_info scans[] = {{1, {0}, 0, 63, 0, 0}, {2, {1, 2}, 0, 63, 0, 0}};
  refuses("two scans", {}, [](auto& jpeg) {
    jpeg.scan_info = scans;
    jpeg.num_scans = 2;
  });
}

TEST(ReducedJpeg, DoesNotTakeHalfAFileForAWholeOne) {
  for (const int interval : {0, 4}) {
    const std::string file = encoded(waves(160, 128), {.restart_interval = interval});
    const std::size_t scan = file.find("\xFF\xDA") + 14;
    for (std::size_t size = scan; size + 2 < file.size(); size += 37) {
      EXPECT_FALSE(reads(file.substr(0, size))) << size;
    }
    EXPECT_FALSE(
        reads(file.substr(0, file.size() - 2)));  // nor does libjpeg without its end marker
    EXPECT_TRUE(reads(file + "more"));
    try {
      decode_jpeg(file.substr(0, scan + 100), "half.jpg", 1 << 20, 32);
      FAIL();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("half.jpg: the JPEG data ends early"),
                std::string::npos)
          << error.what();
    }
  }
}

TEST(ReducedJpeg, GivesUpWhereARestartMarkerIsMissingOrAnother) {
  const std::string file = encoded(waves(160, 128), {.restart_interval = 4});
  const std::size_t marker = file.find("\xFF\xD1");
  ASSERT_NE(marker, std::string::npos);
  std::string other = file, missing = file;
  other[marker + 1] = '\xD5';
  missing.erase(marker, 2);
  EXPECT_TRUE(reads(file));
  EXPECT_FALSE(reads(other));
  EXPECT_FALSE(reads(missing));
}

TEST(ReducedJpeg, GivesUpWhereThereIsNoSuchTable) {
  const std::string file = encoded(waves(160, 128), {});
  const std::size_t frame = file.find("\xFF\xC0"), scan = file.find("\xFF\xDA");
  for (const std::size_t at : {frame + 12, frame + 15, scan + 6, scan + 8}) {
    for (const int number :
         {0x03, 0x33, 0x44, 0xFF}) {  // 3 is not in the file, the others can't be
      std::string other = file;
      other[at] = static_cast<char>(number);
      EXPECT_FALSE(reads(other)) << at << ": " << number;
    }
  }
}

// Whatever it makes of them: within its bounds, and the same size.
TEST(ReducedJpeg, SurvivesDamage) {
  const std::string file = encoded(waves(160, 128), {2, 2, false, 6});
  const std::size_t scan = file.find("\xFF\xDA") + 14;
  std::mt19937 random(1);
  int read_anyway = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = file;
    for (unsigned flips = random() % 4 + 1; flips > 0; --flips) {
      damaged[scan + random() % (file.size() - scan)] ^= static_cast<char>(1 << random() % 8);
    }
    if (reads(damaged, i % 2 == 0 ? 4 : 8)) ++read_anyway;
  }
  EXPECT_GT(read_anyway, 0);
  EXPECT_LT(read_anyway, 2000);
}

}  // namespace
}  // namespace pgmmr
