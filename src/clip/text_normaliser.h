// Text as CLIP's vocabulary was made from: composed, single spaces, lower case.
//
// The normalizer of CLIP's tokenizer.json (transformers, CLIPConverter), on ICU's Unicode tables.
// Left out: ftfy's repair and HTML entities, which only the original tokenizer of openai/CLIP has.
#pragma once

#include <string>
#include <string_view>

namespace pgmmr {

// NFC, then each run of white space to one space, then lower case: per character, with the full
// mapping (U+0130 becomes two) and without the final-sigma rule, as Rust's char::to_lowercase.
//   utf8    well formed (base/file.h, is_utf8)
//   throws  Error{kInvalidArgument} for more than 256 MiB
std::string normalise_text(std::string_view utf8);

}  // namespace pgmmr
