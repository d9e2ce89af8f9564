#include "clip/tokenizer.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "clip/fingerprint.h"
#include "clip/text_normaliser.h"
#include "clip/text_pieces.h"
#include "clip/tokenizer_cache.h"
#include "clip/tokenizer_file.h"

namespace pgmmr {
namespace {

// OpenAI's tokenizer.json has 2.2 MB.
constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;

// A small vocabulary is parsed as fast as it is found.
bool worth_keeping(const std::filesystem::path& file) {
  constexpr std::uintmax_t kSmall = 256 << 10;
  std::error_code code;
  const auto size = std::filesystem::file_size(file, code);
  return !code && size > kSmall;
}

// The tokens that are looked for in raw text, or those looked for in normalised text; the latter
// are normalised themselves.
AddedTokens select(const std::vector<AddedToken>& tokens, bool normalized) {
  std::vector<AddedToken> selected;
  for (const AddedToken& token : tokens) {
    if (token.normalized != normalized) continue;
    selected.push_back(token);
    if (normalized) selected.back().content = normalise_text(token.content);
  }
  return AddedTokens(std::move(selected));
}

// Text between tokens goes to on_text, each token's id to ids, until there are limit ids.
template <typename OnText>
void split_by(const AddedTokens& tokens, std::string_view text, std::size_t limit,
              std::vector<std::int32_t>& ids, OnText on_text) {
  std::size_t at = 0;
  while (ids.size() < limit) {
    const auto match = tokens.find(text, at);
    on_text(text.substr(at, match ? match->begin - at : text.npos));
    if (!match) return;
    ids.push_back(match->id);
    at = match->end;
  }
}

}  // namespace

struct Tokenizer::Tables {
  explicit Tables(TokenizerFile file_)
      : raw_tokens(select(file_.added_tokens, false)),
        normalised_tokens(select(file_.added_tokens, true)),
        file(std::move(file_)) {}

  AddedTokens raw_tokens, normalised_tokens;
  TokenizerFile file;
};

Tokenizer::Tokenizer(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::filesystem::path& folder) {
  const auto all = folder / "tokenizer.json";
  if (std::filesystem::exists(all)) {
    const auto read = [&] {
      return parse_tokenizer_json(read_file(all, kMaxFileBytes), all.string());
    };
    return Tokenizer(std::make_unique<Tables>(
        worth_keeping(all) ? cached_tokenizer(file_digest(all), read) : read()));
  }

  const auto vocab = folder / "vocab.json";
  const auto merges = folder / "merges.txt";
  const bool has_vocab = std::filesystem::exists(vocab);
  const bool has_merges = std::filesystem::exists(merges);
  if (!has_vocab || !has_merges) {
    const char* missing = has_vocab    ? "merges.txt is"
                          : has_merges ? "vocab.json is"
                                       : "vocab.json and merges.txt are";
    throw Error(ErrorKind::kNotFound, folder.string() + ": reading the tokenizer: " + missing +
                                          " missing, expected them or tokenizer.json");
  }
  const auto read = [&] {
    return parse_vocabulary(read_file(vocab, kMaxFileBytes), vocab.string(),
                            read_file(merges, kMaxFileBytes), merges.string());
  };
  return Tokenizer(std::make_unique<Tables>(
      worth_keeping(vocab)
          ? cached_tokenizer(sha256_hex(file_digest(vocab) + file_digest(merges)), read)
          : read()));
}

Tokenizer Tokenizer::parse(std::string_view tokenizer_json, const std::string& file_name) {
  return Tokenizer(std::make_unique<Tables>(parse_tokenizer_json(tokenizer_json, file_name)));
}

void Tokenizer::encode_piecewise(std::string_view text, std::size_t limit,
                                 std::vector<std::int32_t>& ids) const {
  TextPieces pieces(text, tables_->file.pieces_with_special_tokens);
  for (auto piece = pieces.next(); !piece.empty() && ids.size() < limit; piece = pieces.next()) {
    tables_->file.byte_pairs.append(piece, ids);
  }
}

std::vector<std::int32_t> Tokenizer::encode_until(std::string_view text, std::size_t limit) const {
  if (!is_utf8(text)) {
    throw Error(ErrorKind::kInvalidArgument,
                "reading text of " + std::to_string(text.size()) + " bytes: not valid UTF-8");
  }
  std::vector<std::int32_t> ids{start_token()};
  split_by(tables_->raw_tokens, text, limit, ids, [&](std::string_view raw) {
    const std::string normalised = normalise_text(raw);
    split_by(tables_->normalised_tokens, normalised, limit, ids,
             [&](std::string_view rest) { encode_piecewise(rest, limit, ids); });
  });
  return ids;
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  auto ids = encode_until(text, std::numeric_limits<std::size_t>::max());
  ids.push_back(end_token());
  return ids;
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, int length) const {
  if (length < 2) {
    throw Error(ErrorKind::kInvalidArgument,
                "cutting text to " + std::to_string(length) + " token ids, expected at least 2");
  }
  const auto room = static_cast<std::size_t>(length) - 1;
  auto ids = encode_until(text, room);
  ids.resize(std::min(ids.size(), room));
  ids.push_back(end_token());
  return ids;
}

std::int32_t Tokenizer::start_token() const { return tables_->file.start_token; }
std::int32_t Tokenizer::end_token() const { return tables_->file.end_token; }
std::int32_t Tokenizer::max_id() const { return tables_->file.max_id; }

}  // namespace pgmmr
