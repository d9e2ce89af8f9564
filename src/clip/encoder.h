// The seam between CLIP and everything that only wants vectors.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "image/picture.h"
#include "nn/matrix.h"
#include "nn/precision.h"

namespace pgmmr {

struct ModelInfo {
  std::string id;           // as the user named it: a hub id, a folder, "demo"
  std::string revision;     // the hub's commit, or empty
  std::string fingerprint;  // SHA-256 over configuration, tokenizer, preprocessing and weights: the
                            // same for equal files
  int dim = 0;              // of an embedding
  int image_size = 0;       // pixels a side
  int context_length = 0;   // token ids a text may have, start and end tokens included
};

struct EncoderOptions {
  // kAuto takes f32 for a model so small that rounding would cost accuracy and gain no time.
  Precision precision = Precision::kF32;

  // How many threads a call may use while no other call does the same. One is best for whoever
  // has many pictures and as many threads of their own as there are cores.
  int threads = 1;

  // Where weights that were laid out for this CPU are kept for later processes. Nothing means
  // data_dir()/weights for models that are worth it; an empty path, nowhere.
  std::optional<std::filesystem::path> pack_folder;
};

// Pictures and texts to embeddings.
//   threads  all members may be called at once; a call runs on the calling thread, with helpers as
//            EncoderOptions::threads allows
class Encoder {
 public:
  virtual ~Encoder() = default;

  // The first call digests the model's files for the fingerprint, half a second a gigabyte; later
  // ones, and later processes that find the digests in data_dir(), cost nothing.
  virtual const ModelInfo& info() const = 0;

  // What it computes in; never kAuto.
  virtual Precision precision() const { return Precision::kF32; }

  // info().dim, at no cost.
  virtual int dim() const { return info().dim; }

  // DecodeOptions::enough_edge for pictures that are decoded to be encoded: they may then be read
  // at a fraction of their size, and the embedding's cosine to that of all pixels stays above
  // 0.999. 0: all pixels are needed.
  virtual int enough_edge() const { return 0; }

  // returns  float32 [pictures.size(), dim], not of unit length (transformers' get_image_features)
  // throws   Error{kCorrupt} where a result is not finite
  virtual Matrix encode_pictures(std::span<const Picture> pictures) const = 0;

  // Of the time spent in encode_pictures() so far, how many seconds went into resizing and
  // normalising, summed over all threads: for reports of what sets the pace.
  virtual double prepare_seconds() const { return 0; }

  // Longer texts are cut to the context length.
  // returns  float32 [texts.size(), dim], not of unit length (get_text_features)
  // throws   Error{kInvalidArgument} for text that is not UTF-8
  virtual Matrix encode_texts(std::span<const std::string> texts) const = 0;
};

// Opens a checkpoint folder in the Hugging Face layout and checks all of it but the weights'
// values: shapes, vocabulary, preprocessing fit each other. Weights are read when the tower that
// needs them is first used.
//   throws  Error{kNotFound, kCorrupt, kUnsupported}; the message names the file, or what this CPU
//           lacks for the precision
std::unique_ptr<Encoder> load_encoder(const std::filesystem::path& folder, const std::string& id,
                                      const std::string& revision = "",
                                      const EncoderOptions& options = {});

// Scales each row to length one, in place.
//   throws  Error{kCorrupt} for a row that is zero or not finite
void normalise_rows(Matrix& embeddings);

}  // namespace pgmmr
