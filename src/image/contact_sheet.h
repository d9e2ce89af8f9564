// Search results as one picture: a grid of thumbnails, under each its caption and score.
#pragma once

#include <string>
#include <vector>

#include "image/picture.h"

namespace pgmmr {

struct SheetCell {
  Picture picture;      // empty where the picture could not be read: drawn as a labelled blank
  std::string caption;  // UTF-8, any script; cut to two lines with an ellipsis
  std::string note;     // a short line under it, such as the score
};

// A title line above the grid, if not empty, then the cells from left to right. Light background,
// even margins.
//   throws  Error{kInvalidArgument} without cells
Picture contact_sheet(const std::string& title, const std::vector<SheetCell>& cells);

}  // namespace pgmmr
