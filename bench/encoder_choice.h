// An encoder at a precision named on a command line, for the benchmarks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "clip/encoder.h"

namespace pgmmr {

inline std::unique_ptr<Encoder> load_encoder_at(const std::string& folder,
                                                const std::string& precision, int threads) {
  return load_encoder(
      folder, folder, "",
      {.precision = parse_precision(precision), .threads = threads, .pack_folder = {}});
}

}  // namespace pgmmr
