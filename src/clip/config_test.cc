#include "clip/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/places.h"

namespace pgmmr {
namespace {

void expect_tower(const TowerConfig& tower, const nlohmann::json& want) {
  EXPECT_EQ(tower.hidden_size, want.at("hidden_size"));
  EXPECT_EQ(tower.intermediate_size, want.at("intermediate_size"));
  EXPECT_EQ(tower.num_hidden_layers, want.at("num_hidden_layers"));
  EXPECT_EQ(tower.num_attention_heads, want.at("num_attention_heads"));
  EXPECT_EQ(tower.hidden_act == Activation::kGelu ? "gelu" : "quick_gelu",
            want.at("hidden_act").get<std::string>());
  EXPECT_FLOAT_EQ(tower.layer_norm_eps, want.at("layer_norm_eps").get<float>());
}

TEST(Config, ResolvesTheKitsCases) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto cases =
      nlohmann::json::parse(std::ifstream(*test::conformance() / "config_cases.json"));
  ASSERT_GE(cases.size(), 5u);
  for (const auto& one : cases) {
    SCOPED_TRACE(one.at("name").get<std::string>());
    const ClipConfig config = parse_config(one.at("config").dump(), "config.json");
    const auto& want = one.at("expected");
    EXPECT_EQ(config.projection_dim, want.at("projection_dim"));
    expect_tower(config.text, want.at("text"));
    expect_tower(config.vision, want.at("vision"));
    EXPECT_EQ(config.text.vocab_size, want.at("text").at("vocab_size"));
    EXPECT_EQ(config.text.max_position_embeddings, want.at("text").at("max_position_embeddings"));
    EXPECT_EQ(config.text.eos_token_id, want.at("text").at("eos_token_id"));
    EXPECT_EQ(config.vision.image_size, want.at("vision").at("image_size"));
    EXPECT_EQ(config.vision.patch_size, want.at("vision").at("patch_size"));
  }
}

// transformers' class defaults (CLIPTextConfig, CLIPVisionConfig).
TEST(Config, FillsInTheClassDefaults) {
  for (const char* text : {"{}", R"({"text_config": null, "vision_config": null})",
                           R"({"text_config": {"hidden_size": null}})"}) {
    const ClipConfig config = parse_config(text, "config.json");
    EXPECT_EQ(config.projection_dim, 512);
    EXPECT_EQ(config.text.hidden_size, 512);
    EXPECT_EQ(config.text.eos_token_id, 49407);
    EXPECT_EQ(config.vision.hidden_size, 768);
    EXPECT_EQ(config.vision.patch_size, 32);
  }
}

TEST(Config, LetsTheDictSectionReplaceTheOtherOne) {
  const ClipConfig config = parse_config(
      R"({"text_config": {"hidden_act": "gelu", "num_hidden_layers": 3},
          "text_config_dict": {"num_hidden_layers": 4},
          "vision_config": {"num_hidden_layers": 5}, "vision_config_dict": null})",
      "config.json");
  EXPECT_EQ(config.text.num_hidden_layers, 4);
  EXPECT_EQ(config.text.hidden_act, Activation::kQuickGelu) << "the default, not the other section";
  EXPECT_EQ(config.vision.num_hidden_layers, 5);
}

TEST(Config, RefusesWhatBreaksARuleAndNamesFileAndKey) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "not valid JSON"},
      {"{\"a\": }", "line 1, column 7"},
      {"[]", "must hold an object"},
      {R"({"model_type": "siglip"})", "siglip"},
      {R"({"model_type": 3})", "model_type"},
      {R"({"text_config": []})", "text_config"},
      {R"({"projection_dim": 0})", "projection_dim"},
      {R"({"text_config": {"hidden_size": "512"}})", "text_config.hidden_size must be an integer"},
      {R"({"text_config": {"hidden_size": 512.0}})", "text_config.hidden_size must be an integer"},
      {R"({"text_config": {"hidden_size": 99999999999999999999}})", "text_config.hidden_size"},
      {R"({"text_config": {"hidden_size": 18446744073709551615}})", "text_config.hidden_size"},
      {R"({"text_config": {"num_hidden_layers": -1}})", "text_config.num_hidden_layers is -1"},
      {R"({"text_config": {"num_attention_heads": 7}})", "not divisible"},
      {R"({"text_config": {"eos_token_id": -5}})", "eos_token_id"},
      {R"({"text_config": {"hidden_act": "relu"}})", "\"quick_gelu\" and \"gelu\""},
      {R"({"vision_config": {"layer_norm_eps": "1"}})", "layer_norm_eps"},
      {R"({"vision_config": {"layer_norm_eps": 0}})", "layer_norm_eps"},
      {R"({"vision_config": {"patch_size": 0}})", "vision_config.patch_size is 0"},
      {R"({"vision_config": {"patch_size": 512}})", "patch_size"},
      {R"({"vision_config": {"num_channels": 4}})", "num_channels"},
  };
  for (const auto& [text, says] : cases) {
    try {
      parse_config(text, "folder/config.json");
      ADD_FAILURE() << "accepted " << text;
    } catch (const Error& error) {
      const std::string what = error.what();
      EXPECT_TRUE(what.starts_with("folder/config.json")) << what;
      EXPECT_NE(what.find(says), std::string::npos) << what;
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    }
  }
}

TEST(Config, SurvivesDeepNesting) {
  const std::string deep(1'000'000, '[');
  EXPECT_THROW(parse_config(deep, "config.json"), Error);
  EXPECT_THROW(parse_config("{\"a\":" + deep + std::string(1'000'000, ']') + ",", "c"), Error);
}

}  // namespace
}  // namespace pgmmr
