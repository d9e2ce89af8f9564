#include "image/contact_sheet.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "image/encode.h"

namespace pgmmr {
namespace {

Picture plain(int width, int height, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  Picture picture(width, height);
  for (std::size_t i = 0; i < picture.rgb.size(); i += 3) {
    picture.rgb[i] = red;
    picture.rgb[i + 1] = green;
    picture.rgb[i + 2] = blue;
  }
  return picture;
}

// How many pixels have exactly this colour: what was drawn of a picture.
int pixels_of(const Picture& sheet, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  int count = 0;
  for (std::size_t i = 0; i < sheet.rgb.size(); i += 3) {
    count += sheet.rgb[i] == red && sheet.rgb[i + 1] == green && sheet.rgb[i + 2] == blue;
  }
  return count;
}

std::vector<SheetCell> cells(int count) {
  std::vector<SheetCell> made;
  for (int i = 0; i < count; ++i) {
    made.push_back(
        {plain(80 + 40 * (i % 5), 60 + 300 * (i % 3), 200, 40, 40),
         i % 2 ? "红苹果，水果，健康的食物，成熟"
               : "a red apple & <b>a very long</b> caption that goes on and on past two lines",
         "0.312"});
  }
  return made;
}

TEST(ContactSheet, KeepsThePicturesShape) {
  const Picture sheet = contact_sheet("", {{plain(400, 200, 1, 200, 3), "wide", ""}});
  EXPECT_NEAR(pixels_of(sheet, 1, 200, 3), 208 * 104, 2);
}

TEST(ContactSheet, DrawsEveryCellAndABlankForAMissingPicture) {
  auto some = cells(7);
  some[3].picture = Picture();
  const Picture whole = contact_sheet("red apple", cells(7));
  const Picture missing = contact_sheet("red apple", some);
  EXPECT_EQ(whole.width, missing.width);
  EXPECT_EQ(whole.height, missing.height);
  EXPECT_LT(pixels_of(missing, 200, 40, 40), pixels_of(whole, 200, 40, 40));
}

TEST(ContactSheet, TakesAnyTextWithoutReadingItAsMarkup) {
  const auto picture = plain(10, 10, 0, 0, 0);
  const auto draw = [&](const std::string& caption) {
    return contact_sheet("", {{picture, caption, ""}}).rgb;
  };
  EXPECT_NE(draw("<b>x</b>"), draw("x"));
  EXPECT_NO_THROW(draw("\xff\xfe broken"));
  EXPECT_NO_THROW(draw(std::string(100'000, 'w')));
}

TEST(ContactSheet, GrowsByRows) {
  const int one_row = contact_sheet("", cells(3)).height;
  EXPECT_EQ(contact_sheet("", cells(1)).height, one_row);
  EXPECT_GT(contact_sheet("", cells(12)).height, one_row);
  EXPECT_GT(contact_sheet("", cells(50)).height, contact_sheet("", cells(12)).height);
  EXPECT_THROW(contact_sheet("", {}), Error);
}

// PGMMR_SHEETS=folder writes the sheets that a person should look at.
TEST(ContactSheet, EncodesAsPng) {
  for (const int count : {1, 6, 12, 50}) {
    const std::string png =
        encode_png(contact_sheet("something to eat · 红色的水果", cells(count)));
    EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
    if (const char* folder = std::getenv("PGMMR_SHEETS")) {
      write_file(std::filesystem::path(folder) / (std::to_string(count) + ".png"), png);
    }
  }
}

}  // namespace
}  // namespace pgmmr
