// Bytes to pixels to the tower's input, on one thread.
#include <benchmark/benchmark.h>

#include "clip/image_processor.h"
#include "image/decode.h"
#include "image/encode.h"
#include "image/noise_picture.h"
#include "image/resize.h"
#include "image/resize_kernels.h"

namespace pgmmr {
namespace {

void decode_jpeg(benchmark::State& state) {
  const auto width = static_cast<int>(state.range(0));
  const std::string jpeg = encode_thumbnail(noise_picture(width, width * 3 / 4), width, 85);
  DecodeOptions options;
  options.enough_edge = static_cast<int>(state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(decode_picture(jpeg, "bench", options));
  state.counters["bytes"] = static_cast<double>(jpeg.size());
}
// Width, and the edge that is enough: 0 is --exact, 448 what a tower of 224 pixels asks for.
BENCHMARK(decode_jpeg)
    ->ArgsProduct({{640, 1600, 4000}, {0, 448}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void decode_png(benchmark::State& state) {
  const std::string png = encode_png(noise_picture(640, 480));
  for (auto _ : state) benchmark::DoNotOptimize(decode_picture(png, "bench"));
}
BENCHMARK(decode_png)->Unit(benchmark::kMillisecond)->UseRealTime();

void resize_to_224(benchmark::State& state) {
  const auto width = static_cast<int>(state.range(0));
  const auto kernels = usable_resize_kernels();
  const auto chosen = static_cast<std::size_t>(state.range(1));
  if (chosen >= kernels.size()) return state.SkipWithError("not on this CPU");
  state.SetLabel(kernels[chosen].name);
  const Picture picture = noise_picture(width, width * 3 / 4);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        resize_with(kernels[chosen], picture, 298, 224, Filter::kBicubic, {37, 0, 224, 224}));
  }
}
BENCHMARK(resize_to_224)
    ->ArgsProduct({{640, 1000, 4000}, {0, 1, 2}})
    ->Unit(benchmark::kMillisecond);

void preprocess(benchmark::State& state) {
  const auto processor = ImageProcessor::parse("{}", "defaults", 224);
  const Picture picture = noise_picture(1000, 750);
  std::vector<float> pixels(3 * 224 * 224);
  for (auto _ : state) processor.process(picture, pixels);
}
BENCHMARK(preprocess)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pgmmr
