// A tokenizer's tables in a form that is read in a millisecond, where tokenizer.json takes fifty.
//
// Kept in data_dir()/tokenizers under the digest of what they were made from. What is damaged or of
// another version is made again.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "clip/tokenizer_file.h"

namespace pgmmr {

std::string pack_tokenizer(const TokenizerFile& tokenizer);

// Nothing where the bytes are not what pack_tokenizer gave.
std::optional<TokenizerFile> unpack_tokenizer(std::string_view bytes);

// What was kept for this digest, else what parse gives, which is then kept.
TokenizerFile cached_tokenizer(const std::string& digest,
                               const std::function<TokenizerFile()>& parse);

}  // namespace pgmmr
