// An encoder at a precision named on a command line, for the benchmarks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "clip/encoder.h"

namespace pgmmr {

#if __has_include("nn/precision.h")
inline std::unique_ptr<Encoder> load_encoder_at(const std::string& folder,
                                                const std::string& precision, int threads) {
  return load_encoder(
      folder, folder, "",
      {.precision = parse_precision(precision), .threads = threads, .pack_folder = {}});
}
#else
inline std::unique_ptr<Encoder> load_encoder_at(const std::string& folder,
                                                const std::string& precision, int /*threads*/) {
  if (precision != "f32" && precision != "auto") {
    throw Error(ErrorKind::kUnsupported, "precision " + precision + " is not built in; f32 is");
  }
  return load_encoder(folder, folder);
}
#endif

}  // namespace pgmmr
