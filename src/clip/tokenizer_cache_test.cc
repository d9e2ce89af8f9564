#include "clip/tokenizer_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "base/settings.h"
#include "clip/tokenizer.h"
#include "support/places.h"

namespace pgmmr {
namespace {

TokenizerFile tiny() {
  const auto file = test::test_data() / "tokenizer/tiny/tokenizer.json";
  return parse_tokenizer_json(read_file(file), file.string());
}

void expect_equal(const TokenizerFile& a, const TokenizerFile& b) {
  EXPECT_EQ(a.start_token, b.start_token);
  EXPECT_EQ(a.end_token, b.end_token);
  EXPECT_EQ(a.max_id, b.max_id);
  EXPECT_EQ(a.pieces_with_special_tokens, b.pieces_with_special_tokens);
  ASSERT_EQ(a.added_tokens.size(), b.added_tokens.size());
  for (std::size_t i = 0; i < a.added_tokens.size(); ++i) {
    EXPECT_EQ(a.added_tokens[i].content, b.added_tokens[i].content);
    EXPECT_EQ(a.added_tokens[i].id, b.added_tokens[i].id);
    EXPECT_EQ(a.added_tokens[i].normalized, b.added_tokens[i].normalized);
  }
  for (const std::string piece :
       {"a", "cat", "the", "straightforwardly", "\xF0\x9F\x98\x80", "12"}) {
    std::vector<std::int32_t> ids_a, ids_b;
    a.byte_pairs.append(piece, ids_a);
    b.byte_pairs.append(piece, ids_b);
    EXPECT_EQ(ids_a, ids_b) << piece;
  }
}

TEST(TokenizerCache, GivesBackWhatWasPacked) {
  const TokenizerFile original = tiny();
  const auto unpacked = unpack_tokenizer(pack_tokenizer(original));
  ASSERT_TRUE(unpacked);
  expect_equal(original, *unpacked);
}

TEST(TokenizerCache, KeepsTheRealVocabularyWhole) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto file = *test::conformance() / "tokenizer/tokenizer.json";
  const TokenizerFile original = parse_tokenizer_json(read_file(file), file.string());
  const auto unpacked = unpack_tokenizer(pack_tokenizer(original));
  ASSERT_TRUE(unpacked);
  expect_equal(original, *unpacked);
  EXPECT_EQ(unpacked->byte_pairs.merges().size(), original.byte_pairs.merges().size());
}

TEST(TokenizerCache, TrustsNothingDamaged) {
  const std::string good = pack_tokenizer(tiny());
  for (std::size_t at = 0; at < good.size(); at += 97) {
    std::string damaged = good;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_FALSE(unpack_tokenizer(damaged)) << at;
    EXPECT_FALSE(unpack_tokenizer(std::string_view(good).substr(0, at))) << at;
  }
}

TEST(TokenizerCache, ParsesOnceAndAgainWhatWasDamaged) {
  int parsed = 0;
  const auto parse = [&] {
    ++parsed;
    return tiny();
  };
  const std::string digest = sha256_hex("ParsesOnceAndAgainWhatWasDamaged");
  expect_equal(cached_tokenizer(digest, parse), tiny());
  expect_equal(cached_tokenizer(digest, parse), tiny());
  EXPECT_EQ(parsed, 1);
  write_file(data_dir() / "tokenizers" / digest, "damaged");
  expect_equal(cached_tokenizer(digest, parse), tiny());
  EXPECT_EQ(parsed, 2);
  expect_equal(cached_tokenizer(digest, parse), tiny());
  EXPECT_EQ(parsed, 2);
}

// The first load parses, the second takes what the first has kept.
TEST(TokenizerCache, ChangesNoIds) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto folder = *test::conformance() / "tokenizer";
  const Tokenizer first = Tokenizer::load(folder), second = Tokenizer::load(folder);
  EXPECT_FALSE(std::filesystem::is_empty(data_dir() / "tokenizers"));
  for (const std::string text :
       {"a photo of a cat", "Don't <|startoftext|> stop 12½ ①", "日本語"}) {
    EXPECT_EQ(first.encode(text), second.encode(text)) << text;
  }
}

}  // namespace
}  // namespace pgmmr
