#include <cmath>

#include "base/error.h"
#include "clip/encoder.h"

namespace pgmmr {

void normalise_rows(Matrix& embeddings) {
  for (int i = 0; i < embeddings.rows(); ++i) {
    double square = 0;
    for (const float value : embeddings.row(i)) square += static_cast<double>(value) * value;
    if (!std::isfinite(square) || square == 0) {
      throw Error(ErrorKind::kCorrupt, "scaling an embedding to length one: its length is " +
                                           std::to_string(std::sqrt(square)));
    }
    const double scale = 1 / std::sqrt(square);
    for (float& value : embeddings.row(i)) value = static_cast<float>(value * scale);
  }
}

}  // namespace pgmmr
