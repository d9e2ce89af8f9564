// What happens to x W^T + b before it is stored.
#pragma once

namespace pgmmr {

enum class Epilogue {
  kStore,      // y = it
  kAdd,        // y += it
  kQuickGelu,  // y = it * sigmoid(1.702 * it)
  kGelu,       // y = it * (1 + erf(it / sqrt(2))) / 2
};

}  // namespace pgmmr
