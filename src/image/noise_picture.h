// A picture to measure with, the same on every machine.
#pragma once

#include "image/picture.h"

namespace pgmmr {

// Noise whose octaves weigh the same, which is a photograph's spectrum in the rough: it costs a
// decoder about what a photograph of that size does.
Picture noise_picture(int width, int height);

}  // namespace pgmmr
