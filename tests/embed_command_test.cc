// pgmmr embed as its users see it, on the small own model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "support/places.h"

namespace pgmmr {
namespace {

using testing::HasSubstr;

std::filesystem::path tiny() { return test::test_data() / "models/tiny"; }
nlohmann::json golden() { return nlohmann::json::parse(std::ifstream(tiny() / "golden.json")); }

test::Finished embed(std::vector<std::string> arguments, const std::string& input = "") {
  arguments.insert(arguments.begin(), {test::program(), "embed"});
  arguments.insert(arguments.end(), {"--model", tiny()});
  return test::run(arguments, {}, input);
}

void expect_near(const nlohmann::json& row, const nlohmann::json& want) {
  ASSERT_EQ(row.size(), want.size());
  for (std::size_t k = 0; k < row.size(); ++k) {
    EXPECT_NEAR(row[k].get<double>(), want[k].get<double>(), 1e-5) << k;
  }
}

TEST(EmbedCommand, GivesTheModelsRawTextEmbeddings) {
  const auto want = golden();
  const auto finished = embed([&] {
    std::vector<std::string> all = {"text", "--raw"};
    for (const std::string text : want.at("texts")) all.push_back(text);
    return all;
  }());
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.err, "");
  const auto got = nlohmann::json::parse(finished.out);
  EXPECT_EQ(got.at("dim"), 20);
  EXPECT_EQ(got.at("model"), tiny().string());
  ASSERT_EQ(got.at("embeddings").size(), want.at("texts").size());
  for (std::size_t i = 0; i < want.at("texts").size(); ++i) {
    expect_near(got.at("embeddings")[i], want.at("text_embeds_raw")[i]);
  }
}

TEST(EmbedCommand, ScalesToLengthOneUnlessRaw) {
  const auto finished = embed({"text", "red"});
  double square = 0;
  const auto got = nlohmann::json::parse(finished.out);
  for (const double value : got.at("embeddings").at(0)) square += value * value;
  EXPECT_NEAR(square, 1, 1e-6);
}

TEST(EmbedCommand, TakesTextLiterally) {
  const auto rows = [](std::vector<std::string> texts) {
    texts.insert(texts.begin(), "text");
    return nlohmann::json::parse(embed(texts).out).at("embeddings");
  };
  EXPECT_EQ(rows({"[red,cat]"}).size(), 1u);
  EXPECT_EQ(rows({"", "{}", "search", "image"}).size(), 4u);
  EXPECT_EQ(rows({"@file", "%%", "a,b"}).size(), 3u);
  EXPECT_NE(rows({"[red]"})[0], rows({"red"})[0]);
}

TEST(EmbedCommand, GivesTheModelsRawPictureEmbedding) {
  const auto finished = embed({"image", "--raw", tiny() / "picture.png"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const auto got = nlohmann::json::parse(finished.out);
  expect_near(got.at("embeddings")[0], golden().at("image_embeds_raw"));
  EXPECT_EQ(got.at("files")[0], (tiny() / "picture.png").string());
  const auto piped = embed({"image", "--raw", "-"}, read_file(tiny() / "picture.png"));
  EXPECT_EQ(nlohmann::json::parse(piped.out).at("embeddings"), got.at("embeddings"));
}

// A folder with pictures, one of them broken, and things that are none.
class Pictures {
 public:
  Pictures() {
    const std::string picture = read_file(tiny() / "picture.png");
    std::filesystem::create_directories(folder_.path() / "b/deep");
    write_file(folder_.path() / "a.png", picture);
    write_file(folder_.path() / "b/deep/c.PNG", picture);
    write_file(folder_.path() / "b/broken.jpg", "not a picture");
    write_file(folder_.path() / "notes.txt", "no picture and not called one");
  }
  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  test::TemporaryFolder folder_;
};

TEST(EmbedCommand, WalksFoldersAndKeepsTheRowOfWhatIsBroken) {
  const Pictures pictures;
  const auto finished = embed({"image", pictures.path(), "--raw"});
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_THAT(finished.err, HasSubstr((pictures.path() / "b/broken.jpg").string()));
  EXPECT_THAT(finished.err, HasSubstr("1 of 3"));
  const auto got = nlohmann::json::parse(finished.out);
  const std::vector<std::string> files = {pictures.path() / "a.png",
                                          pictures.path() / "b/broken.jpg",
                                          pictures.path() / "b/deep/c.PNG"};
  EXPECT_EQ(got.at("files"), files);
  ASSERT_EQ(got.at("embeddings").size(), 3u);
  EXPECT_TRUE(got.at("embeddings")[1].is_null());
  expect_near(got.at("embeddings")[0], golden().at("image_embeds_raw"));
  expect_near(got.at("embeddings")[2], golden().at("image_embeds_raw"));
}

TEST(EmbedCommand, WritesNpyWithNanForWhatIsBrokenAndTheNamesBesideIt) {
  const Pictures pictures;
  const test::TemporaryFolder out;
  const auto finished = embed({"image", pictures.path(), "--raw", "-o", out.path() / "x.npy"});
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_EQ(finished.out, "");
  EXPECT_THAT(finished.err, HasSubstr("NaN"));
  const std::string npy = read_file(out.path() / "x.npy");
  // numpy.lib.format 1.0
  ASSERT_TRUE(npy.starts_with(std::string("\x93NUMPY\x01\x00", 8)));
  const std::size_t header =
      10 + static_cast<unsigned char>(npy[8]) + 256 * static_cast<unsigned char>(npy[9]);
  EXPECT_EQ(header % 64, 0u);
  EXPECT_EQ(npy[header - 1], '\n');
  EXPECT_THAT(npy.substr(10, header - 10),
              HasSubstr("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 20), }"));
  ASSERT_EQ(npy.size(), header + 3 * 20 * sizeof(float));
  std::vector<float> values(60);
  std::memcpy(values.data(), npy.data() + header, npy.size() - header);
  for (std::size_t k = 0; k < 20; ++k) {
    EXPECT_NEAR(values[k], golden().at("image_embeds_raw")[k].get<float>(), 1e-5);
    EXPECT_TRUE(std::isnan(values[20 + k]));
    EXPECT_EQ(values[40 + k], values[k]);
  }
  EXPECT_EQ(read_file(out.path() / "x.files.txt"),
            (pictures.path() / "a.png").string() + "\n" +
                (pictures.path() / "b/broken.jpg").string() + "\n" +
                (pictures.path() / "b/deep/c.PNG").string() + "\n");
}

TEST(EmbedCommand, ReadsLinesFromStandardInput) {
  const auto finished = embed({"text", "--file", "-"}, "red\ncat\n");
  EXPECT_EQ(nlohmann::json::parse(finished.out).at("embeddings"),
            nlohmann::json::parse(embed({"text", "red", "cat"}).out).at("embeddings"));
}

TEST(EmbedCommand, SaysWhatIsWrongWithItsArguments) {
  EXPECT_EQ(embed({"text"}).exit_code, 2);
  EXPECT_EQ(embed({"image"}).exit_code, 2);
  EXPECT_EQ(embed({"text", "red", "--precision", "f8"}).exit_code, 2);
  const auto precise =
      test::run({test::program(), "embed", "text", "red", "--precision", "int8", "--model", tiny()},
                {"ONEDNN_MAX_CPU_ISA=AVX2"});
  EXPECT_EQ(precise.exit_code, 1);
  EXPECT_THAT(precise.err, HasSubstr("int8"));
  EXPECT_THAT(precise.err, HasSubstr("VNNI"));
  const auto missing = embed({"image", "/nonexistent.png", tiny() / "picture.png"});
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_THAT(missing.err, HasSubstr("/nonexistent.png"));
  const test::TemporaryFolder empty;
  EXPECT_EQ(embed({"image", empty.path()}).exit_code, 1);
  EXPECT_EQ(embed({"text", "red", "-o", "/nonexistent/x.json"}).exit_code, 1);
  EXPECT_EQ(embed({"image", "/dev/zero"}).exit_code, 3);
}

}  // namespace
}  // namespace pgmmr
