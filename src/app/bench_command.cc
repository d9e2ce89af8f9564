// pgmmr bench: what this machine does with a model, in ten seconds.
//
// Pictures are made up (image/noise_picture.h), so that the figures compare between machines.
// Threads work as an ingest's workers do, each on pictures of its own.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "app/command.h"
#include "app/model_source.h"
#include "base/error.h"
#include "base/settings.h"
#include "image/decode.h"
#include "image/encode.h"
#include "image/noise_picture.h"
#include "image/resize.h"

namespace pgmmr {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string model = default_model();
  std::vector<std::string> precisions;
  std::string format = "table";
  double seconds = 10;
};

// A rate on one thread and on as many as there are cores.
struct Rates {
  double one = 0, all = 0;
};

struct DecodeFigures {
  std::string name;
  int width = 0, height = 0;
  std::size_t bytes = 0;
  Rates in_full, as_encoded;  // pictures a second; as_encoded: at the fraction that is enough
};

struct EncodeFigures {
  std::string precision;
  double load_ms = 0;  // until the first text's embedding
  Rates pictures;      // a second, batches of 8
  double text_ms = 0;  // seven tokens, one after the other
};

constexpr int kBatch = 8;

int cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// How often a second `threads` threads together get through work(), each counting `items` a time.
double rate(int threads, double seconds, int items, const std::function<void()>& work) {
  std::atomic<std::int64_t> done = 0;
  std::mutex mutex;
  std::exception_ptr failure;  // guarded by mutex
  const auto start = Clock::now();
  const auto run = [&] {
    try {
      do {
        if (interrupted().stop_requested()) throw Error(ErrorKind::kCancelled, "bench: stopped");
        work();
        done += items;
      } while (since(start) < seconds);
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (int i = 1; i < threads; ++i) helpers.emplace_back(run);
    run();
  }
  if (failure) std::rethrow_exception(failure);
  return static_cast<double>(done) / since(start);
}

Rates rates(double seconds, int items, const std::function<void()>& work) {
  work();  // warm
  Rates found;
  found.one = rate(1, seconds / 2, items, work);
  found.all = cores() == 1 ? found.one : rate(cores(), seconds / 2, items, work);
  return found;
}

DecodeFigures measure_decoding(const Picture& picture, const Encoder& encoder, double seconds) {
  const std::string jpeg = encode_thumbnail(picture, std::max(picture.width, picture.height), 85);
  DecodeFigures figures;
  figures.name = fmt::format("{}x{} JPEG", picture.width, picture.height);
  figures.width = picture.width;
  figures.height = picture.height;
  figures.bytes = jpeg.size();
  DecodeOptions options;
  const auto decode = [&] { decode_picture(jpeg, figures.name, options); };
  figures.in_full = rates(seconds / 2, 1, decode);
  options.enough_edge = encoder.enough_edge();
  figures.as_encoded = rates(seconds / 2, 1, decode);
  return figures;
}

std::unique_ptr<Encoder> encoder_at(const std::string& model, const std::string& precision,
                                    int threads) {
  return load_model(
      model, "", {.precision = parse_precision(precision), .threads = threads, .pack_folder = {}});
}

EncodeFigures measure_encoding(const std::string& model, const std::string& precision,
                               const Picture& picture, double seconds) {
  EncodeFigures figures;
  figures.precision = precision;
  const std::string text = "a photo of a dog";  // with start and end, seven tokens of CLIP's
  const auto start = Clock::now();
  const auto one_by_one = encoder_at(model, precision, cores());
  one_by_one->encode_texts({&text, 1});
  figures.load_ms = 1000 * since(start);
  figures.text_ms = 1000 / rate(1, seconds / 4, 1, [&] { one_by_one->encode_texts({&text, 1}); });
  const auto encoder = encoder_at(model, precision, 1);
  const std::vector<Picture> batch(kBatch, picture);
  figures.pictures = rates(seconds * 3 / 4, kBatch, [&] { encoder->encode_pictures(batch); });
  return figures;
}

nlohmann::json json_of(const Rates& found) { return {{"one", found.one}, {"all", found.all}}; }

std::string as_json(const Arguments& arguments, const std::vector<DecodeFigures>& decoding,
                    const std::vector<EncodeFigures>& encoding) {
  nlohmann::json json = {{"model", arguments.model}, {"threads", cores()}};
  for (const DecodeFigures& one : decoding) {
    json["decode"].push_back({{"width", one.width},
                              {"height", one.height},
                              {"bytes", one.bytes},
                              {"exact_per_second", json_of(one.in_full)},
                              {"per_second", json_of(one.as_encoded)}});
  }
  for (const EncodeFigures& one : encoding) {
    json["encode"].push_back({{"precision", one.precision},
                              {"load_ms", one.load_ms},
                              {"pictures_per_second", json_of(one.pictures)},
                              {"text_ms", one.text_ms}});
  }
  return json.dump() + "\n";
}

std::string as_table(const Arguments& arguments, const std::vector<DecodeFigures>& decoding,
                     const std::vector<EncodeFigures>& encoding) {
  std::string table = fmt::format("{}; 1 thread and {}\n\n", arguments.model, cores());
  table += fmt::format("{:<24} {:>12} {:>12}\n", "decode, pictures/s", "1 thread", "all");
  for (const DecodeFigures& one : decoding) {
    table += fmt::format("{:<24} {:>12.1f} {:>12.1f}\n", one.name, one.as_encoded.one,
                         one.as_encoded.all);
    table += fmt::format("{:<24} {:>12.1f} {:>12.1f}\n", "  with --exact", one.in_full.one,
                         one.in_full.all);
  }
  table += fmt::format("\n{:<24} {:>12} {:>12} {:>12} {:>14}\n", "encode, pictures/s", "1 thread",
                       "all", "text, ms", "ready in, ms");
  for (const EncodeFigures& one : encoding) {
    table += fmt::format("{:<24} {:>12.1f} {:>12.1f} {:>12.2f} {:>14.0f}\n", one.precision,
                         one.pictures.one, one.pictures.all, one.text_ms, one.load_ms);
  }
  return table;
}

void run(const Arguments& arguments) {
  const bool is_asked = !arguments.precisions.empty();
  const std::vector<std::string> precisions =
      is_asked ? arguments.precisions : std::vector<std::string>{"f32", "bf16", "int8"};
  const double share = arguments.seconds / (2.0 + static_cast<double>(precisions.size()));
  const Picture photo = noise_picture(4000, 3000);
  const Picture small = resize(photo, 640, 480);
  std::vector<DecodeFigures> decoding;
  {
    const auto encoder = encoder_at(arguments.model, "f32", 1);
    for (const Picture* picture : {&small, &photo}) {
      decoding.push_back(measure_decoding(*picture, *encoder, share));
    }
  }
  std::vector<EncodeFigures> encoding;
  for (const std::string& precision : precisions) {
    try {
      encoding.push_back(measure_encoding(arguments.model, precision, small, share));
    } catch (const Error& error) {
      // A precision that this machine lacks, where nobody asked for it.
      if (is_asked || error.kind() != ErrorKind::kUnsupported) throw;
    }
  }
  const std::string text = arguments.format == "json" ? as_json(arguments, decoding, encoding)
                                                      : as_table(arguments, decoding, encoding);
  fmt::print("{}", text);
}

}  // namespace

void add_bench_command(CLI::App& app, int&) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* const command =
      app.add_subcommand("bench", "Measure what this machine does with a model");
  command->add_option("--model", arguments->model, "A hub id, a folder, or \"demo\"")
      ->capture_default_str();
  command
      ->add_option("--precision", arguments->precisions,
                   "Only these; may be given several times (default: all that the CPU has)")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "int8"}));
  command->add_option("--seconds", arguments->seconds, "To measure for, all together")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command->add_option("--format", arguments->format)->check(CLI::IsMember({"table", "json"}));
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pgmmr
