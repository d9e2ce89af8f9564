// The seam between CLIP and everything that only wants vectors.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "image/picture.h"
#include "nn/matrix.h"

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

// Pictures and texts to embeddings.
//   threads  all members may be called at once; a call runs on the calling thread alone, so whoever
//   has many pictures
//            uses as many threads as there are cores
class Encoder {
 public:
  virtual ~Encoder() = default;

  // The first call digests the model's files for the fingerprint, half a second a gigabyte; later
  // ones, and later processes that find the digests in data_dir(), cost nothing.
  virtual const ModelInfo& info() const = 0;

  // info().dim, at no cost.
  virtual int dim() const { return info().dim; }

  // returns  float32 [pictures.size(), dim], not of unit length (transformers' get_image_features)
  // throws   Error{kCorrupt} where a result is not finite
  virtual Matrix encode_pictures(std::span<const Picture> pictures) const = 0;

  // Longer texts are cut to the context length.
  // returns  float32 [texts.size(), dim], not of unit length (get_text_features)
  // throws   Error{kInvalidArgument} for text that is not UTF-8
  virtual Matrix encode_texts(std::span<const std::string> texts) const = 0;
};

// Opens a checkpoint folder in the Hugging Face layout and checks all of it but the weights'
// values: shapes, vocabulary, preprocessing fit each other. Weights are read when the tower that
// needs them is first used. Computes in float32.
//   throws  Error{kNotFound, kCorrupt, kUnsupported}; the message names the file
std::unique_ptr<Encoder> load_encoder(const std::filesystem::path& folder, const std::string& id,
                                      const std::string& revision = "");

// Scales each row to length one, in place.
//   throws  Error{kCorrupt} for a row that is zero or not finite
void normalise_rows(Matrix& embeddings);

}  // namespace pgmmr
