// The usual photograph (baseline JPEG, gray or YCbCr, one scan) at a quarter or an eighth of its
// size.
//
// Such a picture needs four of a block's 64 frequencies, or one, and the time goes into the Huffman
// codes of the others. These are passed over as many at a time as a glance shows
// (image/huffman.h). What is left of a block are the means of its quarters, without what the
// frequencies above the first would add to them, or the mean of all. Of colour that is stored at
// half the resolution two pixels share one in each direction that is halved, but for an eighth
// where both are; libjpeg would give each its own. Everything else, and whatever looks damaged, is
// left to it.
#pragma once

#include <cstdint>
#include <cstdio>  // jpeglib.h needs it
#include <span>

#include "image/picture.h"

struct jpeg_decompress_struct;

namespace pgmmr {

// Where it returns true, the pixels of header.image_width by image_height, both divided by
// reduction and rounded up.
//   header     as jpeg_read_header leaves it
//   scan       what follows the scan's header
//   reduction  4 or 8
//   returns    false where it is another kind, ends early or looks damaged; then picture is not to
//              be used
bool read_reduced(const jpeg_decompress_struct& header, std::span<const std::uint8_t> scan,
                  int reduction, Picture& picture);

}  // namespace pgmmr
