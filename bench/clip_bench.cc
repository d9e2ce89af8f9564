// Tokenizer and towers, on one thread. PGMMR_BENCH_MODEL names a checkpoint folder (default: the
// demo's), PGMMR_BENCH_PRECISION a precision (default f32).
#include <benchmark/benchmark.h>

#include <cstdlib>

#include "bench/encoder_choice.h"
#include "clip/tokenizer.h"
#include "image/noise_picture.h"

namespace pgmmr {
namespace {

std::string setting(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == 0 ? otherwise : value;
}

std::string model() { return setting("PGMMR_BENCH_MODEL", PGMMR_SOURCE_DIR "/models/demo"); }

const Encoder& encoder() {
  static const auto loaded = load_encoder_at(model(), setting("PGMMR_BENCH_PRECISION", "f32"), 1);
  return *loaded;
}

std::string words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += (i > 0 ? " " : "") + std::string(1, static_cast<char>('a' + i % 26));
  return text;
}

void tokenize(benchmark::State& state) {
  const Tokenizer tokenizer = Tokenizer::load(model());
  const std::string text = state.range(0) == 0
                               ? "a photo of a cat"
                               : "Zwölf Äpfel, 红色的水果 & naïve café — 12.5 € each!";
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer.encode(text));
}
BENCHMARK(tokenize)->Arg(0)->Arg(1);

void vision(benchmark::State& state) {
  const std::vector<Picture> pictures(static_cast<std::size_t>(state.range(0)),
                                      noise_picture(224, 224));
  for (auto _ : state) benchmark::DoNotOptimize(encoder().encode_pictures(pictures));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(vision)->Arg(1)->Arg(8)->Arg(32)->Unit(benchmark::kMillisecond)->UseRealTime();

// Tokens of a text, start and end among them, and how many texts at once.
void text(benchmark::State& state) {
  const std::vector<std::string> texts(static_cast<std::size_t>(state.range(1)),
                                       words(static_cast<int>(state.range(0)) - 2));
  for (auto _ : state) benchmark::DoNotOptimize(encoder().encode_texts(texts));
  state.SetItemsProcessed(state.iterations() * state.range(1));
}
BENCHMARK(text)
    ->Args({7, 1})
    ->Args({77, 1})
    ->Args({7, 64})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace pgmmr
