// CLIP's byte-pair tokenizer: UTF-8 text in, token ids out.
//
// Follows transformers' CLIPTokenizerFast (tokenizer.json pipeline): added tokens, NFC, white
// space, lower case, CLIP's split pattern, GPT-2's byte table, merges by rank. Proven on the
// conformance kit's 698 strings, ids exact.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pgmmr {

class Tokenizer {
 public:
  // From tokenizer.json, or vocab.json + merges.txt where there is none.
  //   throws  Error{kNotFound, kCorrupt}; the message names file and line or token
  static Tokenizer load(const std::filesystem::path& folder);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Start token, content, end token; no truncation. Time is linear-logarithmic in the text's
  // length.
  //   throws   Error{kInvalidArgument} for text that is not UTF-8
  //   threads  safe to call at once
  std::vector<std::int32_t> encode(std::string_view text) const;

  // The same cut to length ids: the first length-1, then the end token.
  std::vector<std::int32_t> encode(std::string_view text, int length) const;

  std::int32_t start_token() const;
  std::int32_t end_token() const;
  std::int32_t max_id() const;  // checked against the embedding table's rows by whoever has one

 private:
  struct Vocabulary;
  explicit Tokenizer(std::unique_ptr<const Vocabulary> vocabulary);
  std::unique_ptr<const Vocabulary> vocabulary_;
};

}  // namespace pgmmr
