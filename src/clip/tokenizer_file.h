// The files that describe a tokenizer, to what it runs on: tokenizer.json, or vocab.json with
// merges.txt.
//
// tokenizer.json describes any pipeline the Rust library `tokenizers` can run; only CLIP's is
// taken, and every field that could change an id is looked at. Left out: added_tokens.json and
// other names for the special tokens beside a vocab.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "clip/added_tokens.h"
#include "clip/byte_pairs.h"

namespace pgmmr {

struct TokenizerFile {
  BytePairs byte_pairs;
  std::vector<AddedToken> added_tokens;
  bool pieces_with_special_tokens;  // which of the two split patterns (clip/text_pieces.h)
  std::int32_t start_token, end_token;
  std::int32_t max_id;
};

// Both forms of merges are read: "a b", and ["a", "b"] of newer files.
//   throws  Error{kCorrupt} for what is no JSON or contradicts itself, kUnsupported for another
//           pipeline; the message begins with file_name and names the key
TokenizerFile parse_tokenizer_json(std::string_view json, const std::string& file_name);

// The pipeline is that of OpenAI's tokenizer.json: <|endoftext|> counts as typed,
// <|startoftext|> in any letter case.
//   throws  Error{kCorrupt}; the message names the file and the token or line
TokenizerFile parse_vocabulary(std::string_view vocab_json, const std::string& vocab_name,
                               std::string_view merges_txt, const std::string& merges_name);

}  // namespace pgmmr
