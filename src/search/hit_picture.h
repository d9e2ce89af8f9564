// A hit's picture, wherever the collection keeps it: a file of this machine, or the media table.
#pragma once

#include <string>

#include "image/picture.h"
#include "store/collection.h"
#include "store/ranking.h"

namespace pgmmr {

// The picture upright, small where a thumbnail is stored.
//   throws  Error{kNotFound} where it is gone or lies on another machine, kCorrupt, kUnsupported
//           where it cannot be read (any more)
Picture hit_picture(Connection& connection, const Collection& collection, const RankedRow& hit);

}  // namespace pgmmr
