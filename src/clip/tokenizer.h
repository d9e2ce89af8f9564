// CLIP's byte-pair tokenizer: UTF-8 text in, token ids out.
//
// Follows transformers' CLIPTokenizerFast (tokenizer.json pipeline): added tokens, NFC, white
// space, lower case, CLIP's split pattern, GPT-2's byte table, merges by rank. Proven on the
// conformance kit's 698 strings, ids exact.
#pragma once

#include <cstddef>
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
  //   throws  Error{kNotFound, kCorrupt}; kUnsupported for a pipeline that is not CLIP's; the
  //           message names the file and the line, key or token
  static Tokenizer load(const std::filesystem::path& folder);
  static Tokenizer parse(std::string_view tokenizer_json, const std::string& file_name);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Start token, content, end token; no truncation. Time is linear-logarithmic in the text's
  // length.
  //   throws   Error{kInvalidArgument} for text that is not UTF-8
  //   threads  safe to call at once
  std::vector<std::int32_t> encode(std::string_view text) const;

  // The same cut to length ids: the first length-1, then the end token. Shorter texts stay shorter.
  //   length   at least 2
  std::vector<std::int32_t> encode(std::string_view text, int length) const;

  std::int32_t start_token() const;
  std::int32_t end_token() const;
  std::int32_t max_id() const;  // checked against the embedding table's rows by whoever has one

 private:
  struct Tables;
  explicit Tokenizer(std::unique_ptr<const Tables> tables);

  // Start token and content, until there are limit ids; the content may overshoot.
  std::vector<std::int32_t> encode_until(std::string_view text, std::size_t limit) const;
  void encode_piecewise(std::string_view text, std::size_t limit,
                        std::vector<std::int32_t>& ids) const;

  std::unique_ptr<const Tables> tables_;
};

}  // namespace pgmmr
