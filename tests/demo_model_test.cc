// The model that ships (models/demo), through the command line, against PyTorch's embeddings of the
// same weights (tools/train_demo_model/export.py writes them).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/places.h"

namespace pgmmr {
namespace {

nlohmann::json golden() {
  return nlohmann::json::parse(std::ifstream(test::test_data() / "models/demo.json"));
}

nlohmann::json embed(const std::string& kind, const std::vector<std::string>& of) {
  std::vector<std::string> arguments = {test::program(), "embed", kind, "--model", "demo"};
  arguments.insert(arguments.end(), of.begin(), of.end());
  const auto finished = test::run(arguments);
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  return nlohmann::json::parse(finished.out).at("embeddings");
}

void expect_same_direction(const nlohmann::json& got, const nlohmann::json& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    double cosine = 0;
    for (std::size_t k = 0; k < want[i].size(); ++k) {
      cosine += got[i][k].get<double>() * want[i][k].get<double>();
    }
    EXPECT_GT(cosine, 0.9999) << i;
  }
}

TEST(DemoModel, EmbedsTextsAsPyTorchDoes) {
  const auto want = golden();
  expect_same_direction(embed("text", want.at("texts").get<std::vector<std::string>>()),
                        want.at("text_embeddings"));
}

TEST(DemoModel, EmbedsPicturesAsPyTorchDoes) {
  const auto want = golden();
  std::vector<std::string> paths;
  for (const auto& path : want.at("pictures")) {
    paths.push_back(test::source_dir() / path.get<std::string>());
  }
  expect_same_direction(embed("image", paths), want.at("image_embeddings"));
}

}  // namespace
}  // namespace pgmmr
