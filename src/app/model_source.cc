#include "app/model_source.h"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <system_error>

#include "app/command.h"
#include "base/error.h"
#include "base/settings.h"

namespace pgmmr {
namespace {

// A name that can only be a path: hub ids are OWNER/NAME.
bool looks_like_path(const std::string& model) {
  return model.starts_with('/') || model.starts_with('.') || model.starts_with('~') ||
         model.ends_with('/');
}

// One line a file on a terminal, redrawn in place: name, bar, MB, MB/s.
class ProgressLine {
 public:
  void draw(const std::string& file, std::uint64_t done, std::uint64_t total) {
    const auto now = Clock::now();
    if (file != file_) {
      if (drawn_) fmt::print(stderr, "\n");
      file_ = file;
      began_ = now;
      first_ = done;
      drawn_ = finished_ = false;
    }
    if (finished_ || total == 0 || (done == 0 && !drawn_)) return;
    finished_ = done >= total;
    if (drawn_ && !finished_ && now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    drawn_ = true;
    constexpr int kWidth = 24;
    const double seconds = std::chrono::duration<double>(now - began_).count();
    const int filled =
        static_cast<int>(kWidth * static_cast<double>(done) / static_cast<double>(total));
    fmt::print(
        stderr, "\r{:<32.32} [{:<{}}] {:8.1f} / {:.1f} MB {:7.1f} MB/s\x1b[K", file,
        std::string(static_cast<std::size_t>(filled), '='), kWidth, static_cast<double>(done) / 1e6,
        static_cast<double>(total) / 1e6,
        seconds > 0.05 ? static_cast<double>(done - std::min(first_, done)) / 1e6 / seconds : 0.0);
    if (finished_) {
      fmt::print(stderr, "\n");
      drawn_ = false;
    }
  }
  ~ProgressLine() {
    if (drawn_) fmt::print(stderr, "\n");
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::string file_;
  std::uint64_t first_ = 0;
  Clock::time_point began_, last_;
  bool drawn_ = false, finished_ = false;
};

}  // namespace

DownloadProgress download_progress() {
  const auto stop = interrupted();
  if (isatty(STDERR_FILENO) == 0) {
    return
        [stop](const std::string&, std::uint64_t, std::uint64_t) { return !stop.stop_requested(); };
  }
  return [stop, line = std::make_shared<ProgressLine>()](const std::string& file,
                                                         std::uint64_t done, std::uint64_t total) {
    line->draw(file, done, total);
    return !stop.stop_requested();
  };
}

ModelSource find_model(const std::string& model, const std::string& revision) {
  if (model.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                "finding the model: its name is empty, expected a hub id, a folder or \"demo\"");
  }
  std::error_code code;
  const bool holds_a_model =
      std::filesystem::exists(std::filesystem::path(model) / "config.json", code);
  if (model == "demo" && !holds_a_model) return {resource_dir() / "models/demo", model, ""};
  if (std::filesystem::is_directory(model, code)) {
    // Absolute, because a collection remembers it and is searched from other folders.
    const auto folder = std::filesystem::canonical(model);
    return {folder, folder.string(), ""};
  }
  if (looks_like_path(model)) {
    throw Error(ErrorKind::kNotFound, "finding the model: no folder " + model);
  }
  Hub hub(HubSettings::from_environment(), download_progress());
  ModelSnapshot snapshot = fetch_model(hub, model, revision.empty() ? "main" : revision);
  return {std::move(snapshot.folder), model, std::move(snapshot.revision)};
}

std::unique_ptr<Encoder> load_model(const std::string& model, const std::string& revision,
                                    const EncoderOptions& options) {
  usable_precision(options.precision);  // before a download, not after it
  const ModelSource source = find_model(model, revision);
  return load_encoder(source.folder, source.id, source.revision, options);
}

std::unique_ptr<Encoder> load_model_of(const Collection& collection, const std::string& instead,
                                       const EncoderOptions& options) {
  return instead.empty() ? load_model(collection.model_id, collection.model_revision, options)
                         : load_model(instead, "", options);
}

void add_precision_option(CLI::App& command, Precision& precision) {
  command
      .add_option_function<std::string>(
          "--precision",
          [&precision](const std::string& name) { precision = parse_precision(name); },
          "of the arithmetic; auto is bf16 where the CPU multiplies it, else f32")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "int8"}))
      ->default_str("auto");
}

void add_exact_flag(CLI::App& command, bool& exact) {
  command.add_flag(
      "--exact", exact,
      "decode every pixel, for embeddings equal to the reference's; without it a large "
      "JPEG is read at a fraction of its size, in less than half of the time");
}

}  // namespace pgmmr
