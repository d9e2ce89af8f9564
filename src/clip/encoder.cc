#include "clip/encoder.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "clip/checkpoint.h"
#include "clip/fingerprint.h"
#include "clip/image_processor.h"
#include "clip/pack_folder.h"
#include "clip/text_tower.h"
#include "clip/tokenizer.h"
#include "clip/vision_tower.h"
#include "nn/parallel.h"

namespace pgmmr {
namespace {

// A value that is made when it is first asked for, by whichever thread asks first.
template <typename T>
class Lazy {
 public:
  template <typename Make>
  const T& get(Make make) const {
    std::call_once(once_, [&] { value_.emplace(make()); });  // tried again where it throws
    return *value_;
  }

 private:
  mutable std::once_flag once_;
  mutable std::optional<T> value_;
};

// Weights of the products, which are what precision decides on.
std::int64_t product_weights(const TowerConfig& tower) {
  return std::int64_t{tower.num_hidden_layers} * tower.hidden_size *
         (4 * std::int64_t{tower.hidden_size} + 2 * std::int64_t{tower.intermediate_size});
}

Precision chosen_precision(const ClipConfig& config, Precision asked) {
  // A tenth of ViT-B/32's towers. Below, sums are short, so rounding shows in them, and a text or
  // a picture takes a millisecond in any precision.
  constexpr std::int64_t kWorthRounding = 12'000'000;
  const bool small = product_weights(config.text) + product_weights(config.vision) < kWorthRounding;
  return usable_precision(asked == Precision::kAuto && small ? Precision::kF32 : asked);
}

class ClipEncoder : public Encoder {
 public:
  ClipEncoder(const std::filesystem::path& folder, const std::string& id,
              const std::string& revision, const EncoderOptions& options)
      : checkpoint_(std::make_shared<Checkpoint>(folder)),
        options_(options),
        precision_(chosen_precision(checkpoint_->config(), options.precision)),
        tokenizer_(Tokenizer::load(folder)),
        processor_(ImageProcessor::load(folder, checkpoint_->config().vision.image_size)),
        info_{.id = id,
              .revision = revision,
              .fingerprint = "",
              .dim = checkpoint_->config().projection_dim,
              .image_size = checkpoint_->config().vision.image_size,
              .context_length = checkpoint_->config().text.max_position_embeddings} {
    check_tokenizer();
    check_processor();
  }

  const ModelInfo& info() const override {
    return named_.get([this] {
      ModelInfo info = info_;
      info.fingerprint = model_fingerprint(checkpoint_->folder(), checkpoint_->weight_files());
      return info;
    });
  }

  int dim() const override { return info_.dim; }
  Precision precision() const override { return precision_; }
  int enough_edge() const override { return processor_.enough_edge(); }
  double prepare_seconds() const override { return 1e-9 * static_cast<double>(prepare_ns_); }

  Matrix encode_pictures(std::span<const Picture> pictures) const override {
    const VisionTower& tower = vision();
    const Helpers helpers(options_.threads);
    const int count = static_cast<int>(pictures.size());
    Matrix all(count, info_.dim);
    share_out(count, count, tower.batch_size(), [&](int begin, int end) {
      const auto some =
          pictures.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
      embed_pictures(tower, some, all, begin);
    });
    check_finite(all, "picture");
    return all;
  }

  Matrix encode_texts(std::span<const std::string> texts) const override {
    std::vector<std::vector<std::int32_t>> ids;
    ids.reserve(texts.size());
    for (const std::string& text : texts) {
      ids.push_back(tokenizer_.encode(text, info_.context_length));
    }
    const TextTower& tower = words();
    std::int64_t tokens = 0;
    for (const auto& one : ids) tokens += std::ssize(one);
    const Helpers helpers(threads_for(checkpoint_->config().text, tokens));
    // Reading the weights is most of a few rows' time, and each part reads them all.
    constexpr std::int64_t kRowsWorthAPart = 64;
    Matrix all(static_cast<int>(ids.size()), info_.dim);
    share_out(static_cast<int>(ids.size()), static_cast<int>(tokens / kRowsWorthAPart), 64,
              [&](int begin, int end) {
                const Matrix some = tower.forward(std::span(ids).subspan(
                    static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
                std::copy_n(some.data(), std::ptrdiff_t{some.rows()} * info_.dim,
                            all.row(begin).data());
              });
    check_finite(all, "text");
    return all;
  }

 private:
  // Calls encode(begin, end) for parts of 0 .. count - 1. Where there is about as much for each
  // thread, each has a part of its own: it reads no activations that another core wrote, and waits
  // for the others once instead of at each layer. Else it is one call, whose layers are shared out.
  //   parts  there may be, at most
  //   most   that a part needs
  static void share_out(int count, int parts, int most,
                        const std::function<void(int, int)>& encode) {
    const int threads = helping_threads();
    const int longest = (count + threads - 1) / threads;
    const bool even = 4 * longest * threads <= 5 * count;
    if (threads == 1 || parts < threads || !even) {
      if (count > 0) encode(0, count);
      return;
    }
    for_each_range(count, std::clamp(count / threads, 1, most), encode);
  }

  void embed_pictures(const VisionTower& tower, std::span<const Picture> pictures, Matrix& all,
                      int first) const {
    const auto side = static_cast<std::size_t>(info_.image_size);
    const std::size_t each = 3 * side * side;
    const auto batch = static_cast<std::size_t>(tower.batch_size());
    const auto pixels =
        std::make_unique_for_overwrite<float[]>(std::min(pictures.size(), batch) * each);
    for (std::size_t begin = 0; begin < pictures.size(); begin += batch) {
      const std::size_t n = std::min(pictures.size() - begin, batch);
      const auto start = std::chrono::steady_clock::now();
      for_each_range(static_cast<int>(n), 1, [&](int first_picture, int end) {
        for (auto i = static_cast<std::size_t>(first_picture); i < static_cast<std::size_t>(end);
             ++i) {
          processor_.process(pictures[begin + i], {pixels.get() + i * each, each});
        }
      });
      prepare_ns_ += (std::chrono::steady_clock::now() - start) / std::chrono::nanoseconds(1);
      const Matrix part = tower.forward({pixels.get(), n * each}, static_cast<int>(n));
      std::copy_n(part.data(), part.rows() * info_.dim,
                  all.row(first + static_cast<int>(begin)).data());
    }
  }

  // Waking helpers and waiting for the last of them costs some 50 microseconds a call and keeps a
  // core that others may want: nothing to spend on a short text for a small model.
  int threads_for(const TowerConfig& tower, std::int64_t tokens) const {
    constexpr std::int64_t kWorthHelp =
        50'000'000;  // multiply-adds: a millisecond of a core or less
    return product_weights(tower) * tokens < kWorthHelp ? 1 : options_.threads;
  }

  const VisionTower& vision() const {
    return vision_.get([this] {
      return load_tower("vision", checkpoint_->config().vision, [this](WeightPack pack) {
        return VisionTower(*checkpoint_, precision_, std::move(pack));
      });
    });
  }

  const TextTower& words() const {
    return words_.get([this] {
      return load_tower("text", checkpoint_->config().text, [this](WeightPack pack) {
        return TextTower(checkpoint_, precision_, std::move(pack));
      });
    });
  }

  // From the pack that an earlier process left; else from the checkpoint, leaving a pack.
  template <typename Make>
  std::invoke_result_t<Make, WeightPack> load_tower(const char* name, const TowerConfig& config,
                                                    Make make) const {
    constexpr std::int64_t kWorthKeeping = 4'000'000;
    std::optional<PackFolder> kept;
    if (options_.pack_folder ? !options_.pack_folder->empty()
                             : product_weights(config) >= kWorthKeeping) {
      kept.emplace(options_.pack_folder, info().fingerprint, name, precision_);
      if (auto pack = kept->find()) {
        try {
          return make(std::move(*pack));
        } catch (const Error& error) {
          if (error.kind() != ErrorKind::kCorrupt) throw;
        }
      }
    }
    auto tower = make(WeightPack());
    checkpoint_->release();
    if (kept) {
      kept->keep(tower.pack());
      // Mapped like everybody else's, so that the copy just made is given back.
      if (auto pack = kept->find()) return make(std::move(*pack));
    }
    return tower;
  }

  void check_tokenizer() const {
    const TextConfig& text = checkpoint_->config().text;
    const std::string where = (checkpoint_->folder() / "config.json").string() + ": ";
    if (tokenizer_.max_id() >= text.vocab_size) {
      throw Error(ErrorKind::kCorrupt,
                  where + "text_config.vocab_size is " + std::to_string(text.vocab_size) +
                      ", but the vocabulary has id " + std::to_string(tokenizer_.max_id()));
    }
    if (text.eos_token_id != 2 && text.eos_token_id != tokenizer_.end_token()) {
      throw Error(ErrorKind::kCorrupt, where + "text_config.eos_token_id is " +
                                           std::to_string(text.eos_token_id) +
                                           ", but the vocabulary's end token is " +
                                           std::to_string(tokenizer_.end_token()));
    }
  }

  void check_processor() const {
    if (processor_.width() == info_.image_size && processor_.height() == info_.image_size) return;
    throw Error(ErrorKind::kCorrupt, (checkpoint_->folder() / "preprocessor_config.json").string() +
                                         ": pictures become " + std::to_string(processor_.width()) +
                                         " x " + std::to_string(processor_.height()) +
                                         " pixels (crop_size, size), but "
                                         "vision_config.image_size of config.json is " +
                                         std::to_string(info_.image_size));
  }

  void check_finite(const Matrix& embeddings, const char* what) const {
    for (int i = 0; i < embeddings.rows(); ++i) {
      for (const float value : embeddings.row(i)) {
        if (std::isfinite(value)) continue;
        throw Error(ErrorKind::kCorrupt, std::string("embedding a ") + what +
                                             ": the result is not finite; the weights in " +
                                             checkpoint_->weight_files().back().string() +
                                             " are damaged");
      }
    }
  }

  std::shared_ptr<const Checkpoint> checkpoint_;
  const EncoderOptions options_;
  const Precision precision_;
  Tokenizer tokenizer_;
  ImageProcessor processor_;
  ModelInfo info_;  // without the fingerprint
  Lazy<ModelInfo> named_;
  Lazy<VisionTower> vision_;
  Lazy<TextTower> words_;
  mutable std::atomic<std::int64_t> prepare_ns_ = 0;
};

}  // namespace

std::unique_ptr<Encoder> load_encoder(const std::filesystem::path& folder, const std::string& id,
                                      const std::string& revision, const EncoderOptions& options) {
  return std::make_unique<ClipEncoder>(folder, id, revision, options);
}

}  // namespace pgmmr
