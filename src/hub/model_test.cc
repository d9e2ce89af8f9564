// fetch_model: which files are asked for, and which not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "hub/hub.h"
#include "support/hub_server.h"
#include "support/places.h"

namespace pgmmr {
namespace {

using testing::HasSubstr;

class ModelTest : public testing::Test {
 protected:
  ModelTest() { setenv("PGMMR_DATA_DIR", (folder_.path() / "data").c_str(), 1); }
  ~ModelTest() override { unsetenv("PGMMR_DATA_DIR"); }

  std::filesystem::path make(const std::string& name, const std::vector<std::string>& files) {
    const auto folder = folder_.path() / name;
    for (const auto& file : files) {
      std::filesystem::create_directories((folder / file).parent_path());
      write_file(folder / file, "contents of " + file);
    }
    return folder;
  }

  HubSettings settings() const {
    HubSettings settings;
    settings.endpoint = server_.url();
    settings.cache = folder_.path() / "cache";
    settings.retry_ms = 1;
    return settings;
  }

  ModelSnapshot fetch(bool offline = false) {
    HubSettings with = settings();
    with.offline = offline;
    Hub hub(with);
    return fetch_model(hub, "acme/clip");
  }

  Error failure() {
    try {
      fetch();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing thrown";
    return Error(ErrorKind::kInternal, "");
  }

  test::HubServer server_;
  test::TemporaryFolder folder_;
};

TEST_F(ModelTest, FetchesWhatAnEncoderReadsAndNoMore) {
  const auto commit = server_.serve(
      "models", "acme/clip",
      make("repo", {"config.json", "preprocessor_config.json", "tokenizer.json", "vocab.json",
                    "merges.txt", "model.safetensors", "pytorch_model.bin", "README.md",
                    "tf_model.h5", "open_clip_model.safetensors"}));
  const ModelSnapshot model = fetch();
  EXPECT_EQ(model.revision, commit);
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(model.folder)) {
    files.push_back(entry.path().filename());
  }
  EXPECT_THAT(files, testing::UnorderedElementsAre("config.json", "preprocessor_config.json",
                                                   "tokenizer.json", "model.safetensors"));
  server_.forget_requests();
  fetch();
  EXPECT_EQ(server_.requests().size(), 1u) << "a model in the cache costs one look-up";
  server_.forget_requests();
  EXPECT_EQ(fetch(true).folder, model.folder);
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(ModelTest, FetchesVocabularyAndMergesWhereThereIsNoTokenizerFile) {
  server_.serve("models", "acme/clip",
                make("repo", {"config.json", "vocab.json", "merges.txt", "model.safetensors"}));
  const auto folder = fetch().folder;
  EXPECT_EQ(read_file(folder / "vocab.json"), "contents of vocab.json");
  EXPECT_EQ(read_file(folder / "merges.txt"), "contents of merges.txt");
}

TEST_F(ModelTest, FetchesTheShardsThatTheIndexNames) {
  const auto repo =
      make("repo", {"config.json", "tokenizer.json", "model-00001-of-00002.safetensors",
                    "model-00002-of-00002.safetensors", "model-of-another.safetensors"});
  write_file(repo / "model.safetensors.index.json",
             R"({"weight_map":{"a":"model-00001-of-00002.safetensors",)"
             R"("b":"model-00002-of-00002.safetensors","c":"model-00001-of-00002.safetensors"}})");
  server_.serve("models", "acme/clip", repo);
  const auto folder = fetch().folder;
  EXPECT_TRUE(std::filesystem::exists(folder / "model-00001-of-00002.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(folder / "model-00002-of-00002.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(folder / "model-of-another.safetensors"));
}

TEST_F(ModelTest, RefusesAnIndexThatNamesOtherThings) {
  const auto repo = make("repo", {"config.json", "tokenizer.json"});
  for (const char* index : {"[]", "{", R"({"weight_map":{"a":"../../x.safetensors"}})",
                            R"({"weight_map":{"a":"model.bin"}})", R"({"weight_map":{"a":1}})"}) {
    write_file(repo / "model.safetensors.index.json", index);
    server_.serve("models", "acme/clip", repo);
    EXPECT_EQ(failure().kind(), ErrorKind::kCorrupt) << index;
  }
}

TEST_F(ModelTest, SaysThatAPickleIsNotRead) {
  server_.serve("models", "acme/clip",
                make("repo", {"config.json", "tokenizer.json", "pytorch_model.bin"}));
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(error.what(), HasSubstr("only pytorch_model.bin"));
  EXPECT_THAT(error.what(), HasSubstr("refs/pr/"));
  EXPECT_EQ(server_.count("GET", "pytorch_model.bin"), 0);
}

constexpr const char* kDiscussions = R"({"count":3,"start":0,"discussions":[
  {"num":7,"title":"Adding `safetensors` variant of this model","status":"open",
   "isPullRequest":true,"author":{"name":"mallory"}},
  {"num":5,"title":"Adding `safetensors` variant of this model","status":"open",
   "isPullRequest":true,"author":{"name":"SFconvertbot"}},
  {"num":4,"title":"Thanks!","status":"open","isPullRequest":false,"author":{}}]})";

TEST_F(ModelTest, TakesTheConversionServicesWeightsWhereThereIsOnlyAPickle) {
  const auto commit = server_.serve("models", "acme/clip",
                                    make("repo", {"config.json", "preprocessor_config.json",
                                                  "tokenizer.json", "pytorch_model.bin"}));
  server_.serve("models", "acme/clip",
                make("evil", {"config.json", "pytorch_model.bin", "model.safetensors"}),
                "refs/pr/7");
  const auto converted =
      make("converted", {"config.json", "pytorch_model.bin", "model.safetensors"});
  write_file(converted / "model.safetensors", "converted weights");
  write_file(converted / "config.json", "an older configuration");
  server_.serve("models", "acme/clip", converted, "refs/pr/5");
  server_.set_discussions("acme/clip", kDiscussions);
  const ModelSnapshot model = fetch();
  EXPECT_EQ(model.revision, commit);
  EXPECT_EQ(read_file(model.folder / "model.safetensors"), "converted weights");
  EXPECT_EQ(read_file(model.folder / "config.json"), "contents of config.json");
  EXPECT_EQ(server_.count("", "refs%2Fpr%2F7"), 0);
  server_.forget_requests();
  EXPECT_EQ(fetch(true).folder, model.folder);
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(ModelTest, LeavesAConversionOfOtherWeights) {
  server_.serve("models", "acme/clip",
                make("repo", {"config.json", "tokenizer.json", "pytorch_model.bin"}));
  const auto converted =
      make("converted", {"config.json", "pytorch_model.bin", "model.safetensors"});
  write_file(converted / "pytorch_model.bin", "older weights");
  server_.serve("models", "acme/clip", converted, "refs/pr/5");
  server_.set_discussions("acme/clip", kDiscussions);
  EXPECT_EQ(failure().kind(), ErrorKind::kUnsupported);
}

TEST_F(ModelTest, SaysThatTheFolderHoldsNoModel) {
  server_.serve("models", "acme/clip", make("repo", {"README.md"}));
  const Error error = failure();
  EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  EXPECT_THAT(error.what(), HasSubstr("config.json"));
}

}  // namespace
}  // namespace pgmmr
