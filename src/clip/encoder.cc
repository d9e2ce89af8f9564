#include "clip/encoder.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.h"
#include "clip/checkpoint.h"
#include "clip/fingerprint.h"
#include "clip/image_processor.h"
#include "clip/text_tower.h"
#include "clip/tokenizer.h"
#include "clip/vision_tower.h"

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

class ClipEncoder : public Encoder {
 public:
  ClipEncoder(const std::filesystem::path& folder, const std::string& id,
              const std::string& revision)
      : checkpoint_(std::make_shared<Checkpoint>(folder)),
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

  Matrix encode_pictures(std::span<const Picture> pictures) const override {
    const VisionTower& tower = vision();
    const std::size_t each = static_cast<std::size_t>(3) *
                             static_cast<std::size_t>(info_.image_size) *
                             static_cast<std::size_t>(info_.image_size);
    Matrix all(static_cast<int>(pictures.size()), info_.dim);
    std::vector<float> pixels;
    for (std::size_t begin = 0; begin < pictures.size();) {
      const std::size_t n =
          std::min(pictures.size() - begin, static_cast<std::size_t>(tower.batch_size()));
      pixels.resize(n * each);
      for (std::size_t i = 0; i < n; ++i) {
        processor_.process(pictures[begin + i], std::span(pixels).subspan(i * each, each));
      }
      const Matrix part = tower.forward(pixels, static_cast<int>(n));
      std::copy_n(part.data(), n * part.row(0).size(), all.row(static_cast<int>(begin)).data());
      begin += n;
    }
    check_finite(all, "picture");
    return all;
  }

  Matrix encode_texts(std::span<const std::string> texts) const override {
    std::vector<std::vector<std::int32_t>> ids;
    ids.reserve(texts.size());
    for (const std::string& text : texts) {
      ids.push_back(tokenizer_.encode(text, info_.context_length));
    }
    Matrix all = words().forward(ids);
    check_finite(all, "text");
    return all;
  }

 private:
  const VisionTower& vision() const {
    return vision_.get([this] {
      VisionTower tower(*checkpoint_);
      checkpoint_->release();
      return tower;
    });
  }

  const TextTower& words() const {
    return words_.get([this] {
      TextTower tower(checkpoint_);
      checkpoint_->release();
      return tower;
    });
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
  Tokenizer tokenizer_;
  ImageProcessor processor_;
  ModelInfo info_;  // without the fingerprint
  Lazy<ModelInfo> named_;
  Lazy<VisionTower> vision_;
  Lazy<TextTower> words_;
};

}  // namespace

std::unique_ptr<Encoder> load_encoder(const std::filesystem::path& folder, const std::string& id,
                                      const std::string& revision) {
  return std::make_unique<ClipEncoder>(folder, id, revision);
}

}  // namespace pgmmr
