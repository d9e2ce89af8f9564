// pgmmr model pull and info, as somebody runs them, against the tests' hub.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "support/hub_server.h"
#include "support/places.h"

namespace {

using pgmmr::test::Finished;
using pgmmr::test::program;
using testing::HasSubstr;
using testing::Not;

class ModelCommandTest : public testing::Test {
 protected:
  Finished run(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
    arguments.insert(arguments.begin(), {program(), "model"});
    environment.insert(environment.begin(),
                       {"HF_ENDPOINT=" + hub_.url(), "HF_HOME=" + (folder_.path() / "hf").string(),
                        "PGMMR_DATA_DIR=" + (folder_.path() / "data").string()});
    return pgmmr::test::run(arguments, environment);
  }

  std::string serve(const std::string& model) {
    return hub_.serve("models", "acme/" + model, *pgmmr::test::conformance() / "models" / model);
  }

  pgmmr::test::HubServer hub_;
  pgmmr::test::TemporaryFolder folder_;
};

TEST_F(ModelCommandTest, PullsAModelOnceAndThenOffline) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto commit = serve("tiny_quick_f32");
  const auto first = run({"pull", "acme/tiny_quick_f32", "--format", "json"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_EQ(first.err, "") << "progress is for terminals";
  const auto model = nlohmann::json::parse(first.out);
  EXPECT_EQ(model["model"], "acme/tiny_quick_f32");
  EXPECT_EQ(model["revision"], commit);
  EXPECT_EQ(model["folder"],
            (folder_.path() / "hf/hub/models--acme--tiny_quick_f32/snapshots" / commit).string());
  EXPECT_EQ(hub_.count("GET", "golden"), 0);
  hub_.forget_requests();
  const auto second =
      run({"pull", "acme/tiny_quick_f32", "--format", "json"}, {"HF_HUB_OFFLINE=1"});
  EXPECT_EQ(second.out, first.out);
  EXPECT_TRUE(hub_.requests().empty());
}

// Counted from the safetensors headers by Python's json module.
TEST_F(ModelCommandTest, SaysWhatAModelIs) {
  PGMMR_NEEDS_CONFORMANCE();
  serve("tiny_quick_sharded");
  const auto info = run({"info", "acme/tiny_quick_sharded", "--format", "json"});
  ASSERT_EQ(info.exit_code, 0) << info.err;
  const auto model = nlohmann::json::parse(info.out);
  EXPECT_EQ(model["parameters"], 206'385);
  EXPECT_EQ(model["stored_as"], nlohmann::json({{"F32", 206'385}}));
  EXPECT_EQ(model["dim"], 32);
  EXPECT_EQ(model["vision"]["image_size"], 32);
  EXPECT_EQ(model["vision"]["activation"], "quick_gelu");
  EXPECT_EQ(model["text"]["context_length"], 77);
  EXPECT_EQ(model["tokens"], 600);
  EXPECT_EQ(model["fingerprint"].get<std::string>().size(), 64u);
  EXPECT_THAT(model["files"].dump(), HasSubstr("model-00003-of-00003.safetensors"));

  const auto folder = *pgmmr::test::conformance() / "models/tiny_quick_sharded";
  const auto local = run({"info", folder.string(), "--format", "json"});
  EXPECT_EQ(nlohmann::json::parse(local.out)["fingerprint"], model["fingerprint"])
      << "equal files, equal model";
  const auto table = run({"info", folder.string()});
  EXPECT_THAT(table.out, HasSubstr("32 x 32 pixels"));
  EXPECT_THAT(table.out, HasSubstr("77 tokens"));
}

TEST_F(ModelCommandTest, TwoProcessesPullOnce) {
  PGMMR_NEEDS_CONFORMANCE();
  serve("tiny_quick_f32");
  Finished one, other;
  {
    std::jthread first([&] { one = run({"pull", "acme/tiny_quick_f32"}); });
    std::jthread second([&] { other = run({"pull", "acme/tiny_quick_f32"}); });
  }
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(other.exit_code, 0) << other.err;
  int weights = 0;
  for (const auto& request : hub_.requests()) weights += request.storage;
  EXPECT_EQ(weights, 1);
}

TEST_F(ModelCommandTest, NamesARevision) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto folder = *pgmmr::test::conformance() / "models/tiny_quick_f16";
  const auto commit = hub_.serve("models", "acme/clip", folder, "refs/pr/3");
  EXPECT_EQ(run({"pull", "acme/clip"}).exit_code, 1);
  const auto pulled = run({"pull", "acme/clip", "--revision", "refs/pr/3", "--format", "json"});
  ASSERT_EQ(pulled.exit_code, 0) << pulled.err;
  EXPECT_EQ(nlohmann::json::parse(pulled.out)["revision"], commit);
}

TEST_F(ModelCommandTest, ExplainsWhatIsMissingInOneLineWithoutTheToken) {
  for (const char* model : {"acme/none", "acme/../x", "./none", "", "nowhere/"}) {
    const auto failed = run({"pull", model}, {"HF_TOKEN=hf_hush"});
    EXPECT_EQ(failed.exit_code, 1) << model;
    EXPECT_EQ(failed.out, "");
    EXPECT_EQ(std::count(failed.err.begin(), failed.err.end(), '\n'), 1) << failed.err;
    EXPECT_THAT(failed.err, Not(HasSubstr("hf_hush")));
  }
  EXPECT_EQ(run({}).exit_code, 2);
  EXPECT_EQ(run({"info"}).exit_code, 2);
}

}  // namespace
