// pgmmr embed: texts or pictures to vectors, without a database.
//
// Every input has its row, in order. One that cannot be embedded is named on standard error and
// leaves null (JSON) or NaN (npy) in its place; the others are embedded all the same, and the exit
// code says that some were not.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <iostream>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "app/command.h"
#include "app/embedding_writer.h"
#include "app/model_source.h"
#include "base/error.h"
#include "base/file.h"
#include "base/settings.h"
#include "clip/encoder.h"
#include "image/decode.h"

namespace pgmmr {
namespace {

struct Options {
  std::string model = default_model();
  Precision precision = Precision::kAuto;
  std::string format;
  std::string output;
  bool raw = false;
  bool exact = false;
  std::vector<std::string> inputs;  // texts, or files and folders
  std::string lines;                // a file of texts
};

// One input on its way: its embedding, or why there is none.
struct Row {
  std::string name;  // for messages
  std::vector<float> embedding;
  std::string error;
};

// Embeds the inputs from first on into rows.
using EmbedBlock = std::function<void(std::size_t first, std::span<Row> rows)>;

struct Work {
  std::vector<std::string> names;  // of the inputs, one a row
  std::size_t block = 1;           // inputs a worker takes at once
  EmbedBlock embed;
};

bool concerns_one_input(ErrorKind kind) {
  return kind != ErrorKind::kInternal && kind != ErrorKind::kCancelled;
}

// Embeds values[i] into rows[where[i]]. A batch that fails is tried again one by one, so that only
// the guilty input pays.
template <typename Value>
void embed_into(std::span<Row> rows, const std::vector<std::size_t>& where,
                const std::vector<Value>& values, bool raw,
                const std::function<Matrix(std::span<const Value>)>& encode) {
  const auto take = [&](std::size_t first, std::size_t count) {
    Matrix embeddings = encode(std::span(values).subspan(first, count));
    if (!raw) normalise_rows(embeddings);
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = embeddings.row(static_cast<int>(i));
      rows[where[first + i]].embedding.assign(row.begin(), row.end());
    }
  };
  if (values.empty()) return;
  try {
    return take(0, values.size());
  } catch (const Error& error) {
    if (!concerns_one_input(error.kind())) throw;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    try {
      take(i, 1);
    } catch (const Error& error) {
      if (!concerns_one_input(error.kind())) throw;
      rows[where[i]].error = rows[where[i]].name + ": " + error.what();
    }
  }
}

// Gives blocks of rows to as many workers as there are cores.
void embed_in_parallel(const Work& work, std::size_t first, std::vector<Row>& rows) {
  const std::size_t blocks = (rows.size() + work.block - 1) / work.block;
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr failure;  // guarded by mutex
  const auto run = [&] {
    for (std::size_t block = next++; block < blocks; block = next++) {
      try {
        if (interrupted().stop_requested()) {
          throw Error(ErrorKind::kCancelled, "embedding: stopped before the end");
        }
        const std::size_t begin = block * work.block;
        const std::size_t count = std::min(work.block, rows.size() - begin);
        work.embed(first + begin, std::span(rows).subspan(begin, count));
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = blocks;
      }
    }
  };
  {
    const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
    std::vector<std::jthread> workers;
    for (std::size_t i = 1; i < std::min(cores, blocks); ++i) workers.emplace_back(run);
    run();
  }
  if (failure) std::rethrow_exception(failure);
}

EmbeddingFormat chosen_format(const Options& options) {
  const bool npy =
      options.format.empty() ? options.output.ends_with(".npy") : options.format == "npy";
  if (npy && options.output.empty() && isatty(STDOUT_FILENO) == 1) {
    throw Error(ErrorKind::kInvalidArgument,
                "embedding: npy is not for a terminal; name a file with -o FILE.npy");
  }
  return npy ? EmbeddingFormat::kNpy : EmbeddingFormat::kJson;
}

void embed_all(const Options& options, const Encoder& encoder, const Work& work, bool say_names,
               int& exit_code) {
  constexpr std::size_t kWindow = 1024;  // rows in memory
  const std::size_t total = work.names.size();
  const auto writer = EmbeddingWriter::open(chosen_format(options), options.output,
                                            {options.model, encoder.dim(), total});
  std::size_t rejects = 0;
  for (std::size_t first = 0; first < total; first += kWindow) {
    std::vector<Row> rows(std::min(kWindow, total - first));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].name = work.names[first + i];
    embed_in_parallel(work, first, rows);
    for (const Row& row : rows) {
      writer->write(row.embedding);
      if (row.error.empty()) continue;
      ++rejects;
      fmt::print(stderr, "pgmmr: {}\n", row.error);
    }
  }
  writer->finish(say_names ? work.names : std::vector<std::string>());
  if (rejects == 0) return;
  fmt::print(stderr, "pgmmr: {} of {} could not be embedded{}\n", rejects, total,
             chosen_format(options) == EmbeddingFormat::kNpy ? "; their rows are NaN" : "");
  exit_code = kExitRejects;
}

std::string standard_input() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

std::string file_or_standard_input(const std::string& name) {
  if (name == "-") return standard_input();
  std::error_code code;
  if (std::filesystem::exists(name, code) && !std::filesystem::is_regular_file(name, code)) {
    throw Error(ErrorKind::kInvalidArgument, name + ": is not a regular file");
  }
  return read_file(name);
}

// One text a line; a byte order mark in front and a carriage return at the end are no part of it.
std::vector<std::string> split_lines(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  std::vector<std::string> lines;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    std::string_view line = bytes.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return lines;
}

// One input alone may use all cores; several are given to a thread each.
EncoderOptions encoder_options(const Options& options, std::size_t inputs) {
  return {.precision = options.precision,
          .threads = inputs == 1 ? static_cast<int>(std::thread::hardware_concurrency()) : 1,
          .pack_folder = {}};
}

void embed_texts(const Options& options, int& exit_code) {
  std::vector<std::string> texts = options.inputs;
  Work work;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    work.names.push_back("text " + std::to_string(i + 1));
  }
  if (!options.lines.empty()) {
    const std::string name = options.lines == "-" ? "standard input" : options.lines;
    const std::vector<std::string> lines = split_lines(file_or_standard_input(options.lines));
    if (lines.empty()) throw Error(ErrorKind::kInvalidArgument, name + ": holds no texts");
    std::size_t blank = 0, first_blank = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      work.names.push_back(name + ": line " + std::to_string(i + 1));
      if (lines[i].find_first_not_of(" \t") != std::string::npos) continue;
      if (blank++ == 0) first_blank = i + 1;
    }
    if (blank > 0) {
      fmt::print(stderr,
                 "pgmmr: {}: {} blank line{} embedded as empty text (the first is line {})\n", name,
                 blank, blank == 1 ? "" : "s", first_blank);
    }
    texts.insert(texts.end(), lines.begin(), lines.end());
  }
  const std::unique_ptr<Encoder> encoder =
      load_model(options.model, "", encoder_options(options, texts.size()));
  work.block = 32;
  work.embed = [&](std::size_t first, std::span<Row> rows) {
    std::vector<std::size_t> where;
    std::vector<std::string> good;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!is_utf8(texts[first + i])) {
        rows[i].error = rows[i].name + ": is not UTF-8";
        continue;
      }
      where.push_back(i);
      good.push_back(texts[first + i]);
    }
    embed_into<std::string>(
        rows, where, good, options.raw,
        [&](std::span<const std::string> batch) { return encoder->encode_texts(batch); });
  };
  embed_all(options, *encoder, work, false, exit_code);
}

// Files as they are named, folders as the pictures in them, sorted by path.
std::vector<std::string> find_pictures(const std::vector<std::string>& inputs) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    std::error_code code;
    if (!fs::is_directory(input, code)) {
      files.push_back(input);
      continue;
    }
    std::vector<std::string> inside;
    fs::recursive_directory_iterator it(input, fs::directory_options::skip_permission_denied, code);
    for (; !code && it != fs::recursive_directory_iterator(); it.increment(code)) {
      std::error_code ignored;
      const std::string path = it->path().string();
      if (has_picture_extension(path) && it->is_regular_file(ignored)) inside.push_back(path);
    }
    if (code) throw Error(ErrorKind::kUnavailable, input + ": cannot be read: " + code.message());
    std::sort(inside.begin(), inside.end());
    if (inside.empty()) {
      throw Error(ErrorKind::kNotFound, input + ": no pictures in this folder or below");
    }
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

void embed_pictures(const Options& options, int& exit_code) {
  Work work;
  work.names = find_pictures(options.inputs);
  const std::unique_ptr<Encoder> encoder =
      load_model(options.model, "", encoder_options(options, work.names.size()));
  const auto encode = [&](std::span<const Picture> batch) {
    return encoder->encode_pictures(batch);
  };
  DecodeOptions decoding;
  if (!options.exact) decoding.enough_edge = encoder->enough_edge();
  work.block = std::clamp<std::size_t>(
      work.names.size() / std::max(1u, std::thread::hardware_concurrency()), 1, 8);
  work.embed = [&](std::size_t, std::span<Row> rows) {
    constexpr std::size_t kMaxBytes = 64 << 20;  // of decoded pictures that a worker holds
    std::vector<std::size_t> where;
    std::vector<Picture> pictures;
    std::size_t bytes = 0;
    const auto flush = [&] {
      embed_into<Picture>(rows, where, pictures, options.raw, encode);
      where.clear();
      pictures.clear();
      bytes = 0;
    };
    for (std::size_t i = 0; i < rows.size(); ++i) {
      try {
        pictures.push_back(
            decode_picture(file_or_standard_input(rows[i].name), rows[i].name, decoding));
      } catch (const Error& error) {
        if (!concerns_one_input(error.kind())) throw;
        rows[i].error = error.what();
        continue;
      }
      where.push_back(i);
      bytes += pictures.back().rgb.size();
      if (bytes > kMaxBytes) flush();
    }
    flush();
  };
  embed_all(options, *encoder, work, true, exit_code);
}

void add_common_options(CLI::App& command, Options& options) {
  command.add_option("--model", options.model, "a hub id, a folder, or \"demo\"")
      ->capture_default_str();
  add_precision_option(command, options.precision);
  command.add_option("--format", options.format, "json, or npy (float32; default for -o FILE.npy)")
      ->check(CLI::IsMember({"json", "npy"}));
  command.add_option("-o,--output", options.output,
                     "write to this file instead of standard output");
  command.add_flag("--raw", options.raw, "as the model gives them, not scaled to length one");
}

CLI::Option* add_literal_inputs(CLI::App& command, const char* name, Options& options,
                                const char* help) {
  return command
      .add_option(
          name,
          [&options](const CLI::results_t& results) {
            options.inputs.clear();
            for (const std::string& one : results) options.inputs.push_back(literal(one));
            return true;
          },
          help)
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->allow_extra_args()
      ->type_name("");
}

constexpr char kGuard = '\x1F';  // a unit separator: what ends with it does not end with a bracket

}  // namespace

std::vector<std::string> guarded_arguments(int argc, char** argv) {
  std::vector<std::string> reversed;
  const bool embeds = argc > 1 && std::string_view(argv[1]) == "embed";
  for (int i = argc - 1; i > 0; --i) {
    reversed.emplace_back(argv[i]);
    if (embeds && reversed.back().starts_with('[')) reversed.back() += kGuard;
  }
  return reversed;
}

std::string literal(std::string argument) {
  if (argument.starts_with('[') && argument.ends_with(kGuard)) argument.pop_back();
  return argument;
}

void add_embed_command(CLI::App& app, int& exit_code) {
  CLI::App* embed = app.add_subcommand("embed", "Turn texts or pictures into vectors");
  embed->require_subcommand(1);
  const auto options = std::make_shared<Options>();

  CLI::App* text = embed->add_subcommand("text", "Embed texts");
  add_literal_inputs(*text, "TEXT", *options,
                     "taken literally; put -- before one that begins with -");
  text->add_option(
      "--file", options->lines,
      "embed each line of this file (- is standard input); a blank line is an empty text");
  add_common_options(*text, *options);
  text->callback([options, &exit_code] {
    if (options->inputs.empty() && options->lines.empty()) {
      throw CLI::RequiredError("TEXT or --file");
    }
    embed_texts(*options, exit_code);
  });

  CLI::App* image = embed->add_subcommand("image", "Embed pictures");
  add_literal_inputs(*image, "FILE", *options, "pictures (- is standard input), or folders of them")
      ->required();
  add_common_options(*image, *options);
  add_exact_flag(*image, options->exact);
  image->callback([options, &exit_code] { embed_pictures(*options, exit_code); });
}

}  // namespace pgmmr
