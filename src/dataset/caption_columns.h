// Which columns of a dataset read like captions, by name and type.
#pragma once

#include <string>
#include <vector>

#include "dataset/dataset.h"

namespace pgmmr {

// Text columns called caption, text, title, name, description, alt, prompt, label … or a part of
// such a name (text_en, org_caption, label_name), in the table's order. Where none is: every text
// column that isn't a path, an address, an identifier or a digest by its name.
std::vector<std::string> caption_columns(const std::vector<Column>& columns);

}  // namespace pgmmr
