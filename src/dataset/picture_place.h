// Where a row's picture is: bytes in the row, a file below the dataset's folder, or nowhere.
#pragma once

#include <filesystem>

#include "dataset/dataset.h"
#include "dataset/relation.h"

namespace pgmmr {

// Fills image_bytes, image_path or problem.
//   folder   what paths are relative to, and what they may not leave; empty where a source has no
//            folder (a hub's shard), so that only bytes count
//   trusted  the user wrote the paths (a query): any file may be named
void place_picture(RelationRow&& read, const std::filesystem::path& folder, bool trusted, Row& row);

}  // namespace pgmmr
