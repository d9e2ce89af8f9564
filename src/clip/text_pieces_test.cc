#include "clip/text_pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "clip/text_normaliser.h"

namespace pgmmr {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> pieces(std::string_view text, bool with_special_tokens = true) {
  const std::string normalised = normalise_text(text);
  TextPieces left(normalised, with_special_tokens);
  std::vector<std::string> found;
  for (auto piece = left.next(); !piece.empty(); piece = left.next()) found.emplace_back(piece);
  return found;
}

TEST(TextNormaliser, ComposesCollapsesAndLowers) {
  EXPECT_EQ(normalise_text("Cafe\u0301 \t\u3000\u0085 ÀÉ"), "café àé");
  EXPECT_EQ(normalise_text("ＡＢ ﬁ ²"), "ａｂ ﬁ ²");  // not NFKC
  EXPECT_EQ(normalise_text("ΟΔΟΣ"), "οδοσ");
  EXPECT_EQ(normalise_text("İI"), "i\u0307i");
  EXPECT_EQ(normalise_text("\u200B\uFEFF\u180E"), "\u200B\uFEFF\u180E");  // no white space
  EXPECT_EQ(normalise_text(""), "");
}

TEST(TextPieces, AreWordsDigitsAndPunctuation) {
  EXPECT_THAT(pieces("Two cats, 42½!?"), ElementsAre("two", "cats", ",", "4", "2", "½", "!?"));
  EXPECT_THAT(pieces(" \n "), IsEmpty());
}

TEST(TextPieces, TakeContractionsAtTheBeginningOfAPieceOnly) {
  EXPECT_THAT(pieces("it's we'll 'sup don’t !'s"),
              ElementsAre("it", "'s", "we", "'ll", "'s", "up", "don", "’", "t", "!'", "s"));
}

TEST(TextPieces, CutSpecialTokensInThree) {
  EXPECT_THAT(pieces("<|ENDOFTEXT|>!"), ElementsAre("<|", "endoftext", "|>", "!"));
  EXPECT_THAT(pieces("<|ENDOFTEXT|>!", false), ElementsAre("<|", "endoftext", "|>!"));
  EXPECT_THAT(pieces("!<|startoftext|>"), ElementsAre("!<|", "startoftext", "|>"));
}

TEST(TextPieces, CountCombiningMarksAsPunctuation) {
  EXPECT_THAT(pieces("กำ"), ElementsAre("กำ"));
  EXPECT_THAT(pieces("กี่"), ElementsAre("ก", "ี่"));
}

}  // namespace
}  // namespace pgmmr
