#include "clip/encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/settings.h"
#include "clip/fingerprint.h"
#include "image/decode.h"
#include "image/noise_picture.h"
#include "support/places.h"

namespace pgmmr {
namespace {

// The small own model: tests/data/models/make_tiny.py, with a plain implementation of its own in
// double precision. Its embeddings are of order one to three.
constexpr float kTolerance = 1e-5f;

std::filesystem::path tiny() { return test::test_data() / "models/tiny"; }
nlohmann::json tiny_golden() {
  return nlohmann::json::parse(std::ifstream(tiny() / "golden.json"));
}

void expect_row(std::span<const float> row, const nlohmann::json& golden) {
  ASSERT_EQ(row.size(), golden.size());
  for (std::size_t k = 0; k < row.size(); ++k) {
    EXPECT_NEAR(row[k], golden.at(k).get<float>(), kTolerance) << k;
  }
}

TEST(Encoder, TurnsTextIntoThePlainVersionsEmbedding) {
  const auto encoder = load_encoder(tiny(), "tiny");
  const auto golden = tiny_golden();
  const auto texts = golden.at("texts").get<std::vector<std::string>>();
  const Matrix embeddings = encoder->encode_texts(texts);
  ASSERT_EQ(embeddings.rows(), static_cast<int>(texts.size()));
  for (int i = 0; i < embeddings.rows(); ++i) {
    SCOPED_TRACE(texts[static_cast<std::size_t>(i)]);
    expect_row(embeddings.row(i), golden.at("text_embeds_raw").at(static_cast<std::size_t>(i)));
  }
}

TEST(Encoder, TurnsAPictureIntoThePlainVersionsEmbedding) {
  const auto encoder = load_encoder(tiny(), "tiny");
  const Picture picture = decode_picture(read_file(tiny() / "picture.png"), "picture.png");
  const std::vector<Picture> many(70, picture);  // more than one batch
  const Matrix embeddings = encoder->encode_pictures(many);
  ASSERT_EQ(embeddings.rows(), 70);
  for (const int i : {0, 1, 63, 64, 69}) {
    expect_row(embeddings.row(i), tiny_golden().at("image_embeds_raw"));
  }
}

TEST(Encoder, GivesEachThreadAShareAndEachResultItsPlace) {
  const auto demo = test::source_dir() / "models/demo";
  const auto encoder_with = [&](int threads) {
    return load_encoder(demo, "demo", "",
                        {.precision = Precision::kF32, .threads = threads, .pack_folder = {}});
  };
  const auto alone = encoder_with(1), helped = encoder_with(3);
  const auto expect_same = [](const Matrix& found, const Matrix& expected) {
    ASSERT_EQ(found.rows(), expected.rows());
    for (int row = 0; row < found.rows(); ++row) {
      for (int k = 0; k < found.cols(); ++k) {
        ASSERT_NEAR(found.row(row)[static_cast<std::size_t>(k)],
                    expected.row(row)[static_cast<std::size_t>(k)], 1e-4)
            << row;
      }
    }
  };
  // Even shares and uneven ones, fewer than threads, more than a batch.
  std::vector<Picture> pictures;
  std::vector<std::string> texts;
  for (const std::size_t count : {0, 1, 2, 3, 4, 6, 7, 50}) {
    SCOPED_TRACE(count);
    while (pictures.size() < count) {
      pictures.push_back(noise_picture(64 + 8 * static_cast<int>(pictures.size()), 48));
    }
    expect_same(helped->encode_pictures(pictures), alone->encode_pictures(pictures));
    while (texts.size() < count)
      texts.push_back(std::string(texts.size(), 'a') + " small red apple");
    expect_same(helped->encode_texts(texts), alone->encode_texts(texts));
  }
}

TEST(Encoder, MayBeCalledFromManyThreadsWhichAlsoLoadIt) {
  const auto encoder = load_encoder(tiny(), "tiny");
  const auto golden = tiny_golden();
  const auto texts = golden.at("texts").get<std::vector<std::string>>();
  const std::vector<Picture> pictures(
      3, decode_picture(read_file(tiny() / "picture.png"), "picture.png"));
  std::vector<Matrix> from_texts(4), from_pictures(4);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        from_texts[t] = encoder->encode_texts(texts);
        from_pictures[t] = encoder->encode_pictures(pictures);
      });
    }
  }
  for (std::size_t t = 0; t < 4; ++t) {
    expect_row(from_texts[t].row(3), golden.at("text_embeds_raw").at(3));
    expect_row(from_pictures[t].row(2), golden.at("image_embeds_raw"));
  }
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    ab += static_cast<double>(a[k]) * b[k];
    aa += static_cast<double>(a[k]) * a[k];
    bb += static_cast<double>(b[k]) * b[k];
  }
  return ab / std::sqrt(aa * bb);
}

// A model of widths of a few dozens shows rounding more than a real one does; full_size_test.cc has
// the real bounds.
TEST(Encoder, ComputesInEveryPrecisionThatTheCpuHas) {
  const auto reference = load_encoder(tiny(), "tiny");
  const auto texts = tiny_golden().at("texts").get<std::vector<std::string>>();
  const std::vector<Picture> pictures(
      3, decode_picture(read_file(tiny() / "picture.png"), "picture.png"));
  const Matrix from_texts = reference->encode_texts(texts);
  const Matrix from_pictures = reference->encode_pictures(pictures);
  for (const Precision precision : {Precision::kBf16, Precision::kInt8}) {
    try {
      usable_precision(precision);
    } catch (const Error&) {
      continue;
    }
    for (const int threads : {1, 3}) {
      const auto encoder = load_encoder(
          tiny(), "tiny", "", {.precision = precision, .threads = threads, .pack_folder = {}});
      EXPECT_EQ(encoder->precision(), precision);
      const Matrix texts_now = encoder->encode_texts(texts);
      for (int i = 0; i < texts_now.rows(); ++i) {
        EXPECT_GT(cosine(texts_now.row(i), from_texts.row(i)), 0.995) << name_of(precision);
      }
      const Matrix pictures_now = encoder->encode_pictures(pictures);
      for (int i = 0; i < pictures_now.rows(); ++i) {
        EXPECT_GT(cosine(pictures_now.row(i), from_pictures.row(i)), 0.995) << name_of(precision);
      }
    }
  }
}

TEST(Encoder, TakesF32ForASmallModelUnlessToldOtherwise) {
  const auto encoder = load_encoder(
      tiny(), "tiny", "", {.precision = Precision::kAuto, .threads = 1, .pack_folder = {}});
  EXPECT_EQ(encoder->precision(), Precision::kF32);
}

TEST(Encoder, LeavesPacksForLaterOnesAndTrustsNoDamagedOne) {
  const test::TemporaryFolder packs;
  const EncoderOptions options{
      .precision = Precision::kF32, .threads = 1, .pack_folder = packs.path()};
  const auto golden = tiny_golden();
  const auto texts = golden.at("texts").get<std::vector<std::string>>();
  const std::vector<Picture> pictures(
      1, decode_picture(read_file(tiny() / "picture.png"), "picture.png"));
  const auto expect_right = [&] {
    const auto encoder = load_encoder(tiny(), "tiny", "", options);
    expect_row(encoder->encode_texts(texts).row(0), golden.at("text_embeds_raw").at(0));
    expect_row(encoder->encode_pictures(pictures).row(0), golden.at("image_embeds_raw"));
  };
  const auto files = [&] {
    std::vector<std::filesystem::path> all;
    for (const auto& entry : std::filesystem::directory_iterator(packs.path())) {
      if (entry.path().extension() == ".pack") all.push_back(entry.path());
    }
    std::ranges::sort(all);
    return all;
  };
  expect_right();
  const auto made = files();
  ASSERT_EQ(made.size(), 2u) << "one a tower";
  expect_right();
  for (const auto& file : made) {
    const std::string good = read_file(file);
    std::string damaged = good;
    damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 4);
    for (const std::string& bad : {damaged, good.substr(0, good.size() / 2), std::string()}) {
      write_file(file, bad);
      expect_right();
      EXPECT_EQ(read_file(file), good) << "was not made again";
    }
  }
  EXPECT_EQ(files(), made);
}

TEST(Encoder, LoadsEachTowerWithoutTheOther) {
  const test::TemporaryFolder packs;
  const auto encoder =
      load_encoder(tiny(), "tiny", "",
                   {.precision = Precision::kF32, .threads = 1, .pack_folder = packs.path()});
  encoder->encode_texts(std::vector<std::string>{"red"});
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(packs.path())) {
    if (entry.path().extension() != ".pack") continue;
    EXPECT_NE(entry.path().string().find("-text-"), std::string::npos) << entry.path();
    ++count;
  }
  EXPECT_EQ(count, 1);
}

TEST(Encoder, WorksWhereNothingCanBeKept) {
  const auto encoder =
      load_encoder(tiny(), "tiny", "",
                   {.precision = Precision::kF32, .threads = 1, .pack_folder = "/proc/nowhere"});
  const auto golden = tiny_golden();
  const auto texts = golden.at("texts").get<std::vector<std::string>>();
  expect_row(encoder->encode_texts(texts).row(0), golden.at("text_embeds_raw").at(0));
}

TEST(Encoder, GivesNothingForNothing) {
  const auto encoder = load_encoder(tiny(), "tiny");
  EXPECT_EQ(encoder->encode_texts({}).rows(), 0);
  EXPECT_EQ(encoder->encode_pictures({}).rows(), 0);
}

TEST(Encoder, SaysWhatItIs) {
  const auto encoder = load_encoder(tiny(), "tiny", "abc");
  EXPECT_EQ(encoder->info().id, "tiny");
  EXPECT_EQ(encoder->info().revision, "abc");
  EXPECT_EQ(encoder->info().dim, 20);
  EXPECT_EQ(encoder->dim(), 20);
  EXPECT_EQ(encoder->info().image_size, 18);
  EXPECT_EQ(encoder->info().context_length, 16);
  EXPECT_EQ(encoder->info().fingerprint.size(), 64u);
}

class CopyOfTiny {
 public:
  CopyOfTiny() {
    std::filesystem::copy(tiny(), folder_.path(), std::filesystem::copy_options::recursive);
  }
  const std::filesystem::path& path() const { return folder_.path(); }

  void replace(const char* file, const std::string& from, const std::string& to) const {
    std::string text = read_file(path() / file);
    const auto at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    write_file(path() / file, text.replace(at, from.size(), to));
  }

 private:
  test::TemporaryFolder folder_;
};

void expect_refused(const std::filesystem::path& folder, const std::string& says) {
  try {
    load_encoder(folder, "broken");
    ADD_FAILURE() << "loaded, expected: " << says;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what();
  }
}

TEST(Encoder, RefusesPartsThatDoNotFitEachOther) {
  {
    const CopyOfTiny copy;
    copy.replace("preprocessor_config.json", "\"height\": 18", "\"height\": 17");
    expect_refused(copy.path(), "preprocessor_config.json");
  }
  {
    const CopyOfTiny copy;
    copy.replace("config.json", "\"eos_token_id\": 518", "\"eos_token_id\": 517");
    expect_refused(copy.path(), "end token is 518");
  }
  {
    const CopyOfTiny copy;
    copy.replace("vocab.json", "\"cat</w>\":513", "\"cat</w>\":1000000");
    expect_refused(copy.path(), "1000000");
  }
}

TEST(Encoder, ReportsWeightsThatAreNotFinite) {
  const CopyOfTiny copy;
  std::string bytes = read_file(copy.path() / "model.safetensors");
  // The data end with visual_projection, and F16's 0x7E00 is NaN.
  bytes[bytes.size() - 1] = '\x7E';
  bytes[bytes.size() - 2] = '\x00';
  write_file(copy.path() / "model.safetensors", bytes);
  const auto encoder = load_encoder(copy.path(), "broken");
  const std::vector<Picture> pictures(1, Picture(18, 18));
  EXPECT_THROW(encoder->encode_pictures(pictures), Error);
  EXPECT_NO_THROW(encoder->encode_texts(std::vector<std::string>{"red"}));
}

TEST(Fingerprint, IsThatOfTheFilesAndNotOfTheirPlace) {
  const CopyOfTiny one, other;
  const auto of = [](const CopyOfTiny& copy) {
    return model_fingerprint(copy.path(), {copy.path() / "model.safetensors"});
  };
  const std::string before = of(one);
  EXPECT_EQ(of(other), before);
  other.replace("merges.txt", "c a", "a c");
  EXPECT_NE(of(other), before);
}

TEST(Fingerprint, SeesAChangeInALargeFileWhoseDigestWasKept) {
  const CopyOfTiny copy;
  const auto large = copy.path() / "model.safetensors";
  write_file(large, std::string(5 << 20, 'a'));
  const std::string before = model_fingerprint(copy.path(), {large});
  EXPECT_EQ(model_fingerprint(copy.path(), {large}), before);
  EXPECT_FALSE(std::filesystem::is_empty(data_dir() / "digests"));
  const auto date = std::filesystem::last_write_time(large);
  write_file(large, std::string(5 << 20, 'b'));
  std::filesystem::last_write_time(large, date);
  EXPECT_NE(model_fingerprint(copy.path(), {large}), before);
}

TEST(NormaliseRows, ScalesToLengthOneAndRefusesZeroAndInfinity) {
  Matrix rows(2, 2);
  rows.row(0)[0] = 3;
  rows.row(0)[1] = 4;
  rows.row(1)[0] = -2e-30f;
  normalise_rows(rows);
  EXPECT_FLOAT_EQ(rows.row(0)[0], 0.6f);
  EXPECT_FLOAT_EQ(rows.row(0)[1], 0.8f);
  EXPECT_FLOAT_EQ(rows.row(1)[0], -1);
  Matrix zero(1, 2);
  EXPECT_THROW(normalise_rows(zero), Error);
  zero.row(0)[1] = INFINITY;
  EXPECT_THROW(normalise_rows(zero), Error);
}

}  // namespace
}  // namespace pgmmr
