// A dataset of the Hugging Face hub: its Parquet files, one downloaded when its first chunk is
// read.
#pragma once

#include <memory>
#include <string>

#include "dataset/dataset.h"

namespace pgmmr {

// The repository's own Parquet files, else those the hub made of it (revision
// refs/convert/parquet).
//   throws  Error as open_dataset does; kUnsupported for a repository of tar files or loose
//   pictures
//           that the hub has not converted
std::unique_ptr<Dataset> open_hub_dataset(const std::string& address, const SourceOptions& options);

}  // namespace pgmmr
