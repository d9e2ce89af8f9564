// pgmmr doctor, as somebody runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/hub_server.h"
#include "support/places.h"

namespace {

using pgmmr::test::program;
using testing::HasSubstr;
using testing::Not;

class DoctorTest : public testing::Test {
 protected:
  nlohmann::json examine(std::vector<std::string> environment, int expected_exit_code = -1) {
    environment.push_back("PGMMR_DATA_DIR=" + (folder_.path() / "data").string());
    environment.push_back("HF_HOME=" + (folder_.path() / "hf").string());
    const auto run = pgmmr::test::run({program(), "doctor", "--format", "json"}, environment);
    EXPECT_EQ(run.err, "");
    if (expected_exit_code >= 0) {
      EXPECT_EQ(run.exit_code, expected_exit_code) << run.out;
    }
    const auto report = nlohmann::json::parse(run.out);
    EXPECT_EQ(report["ok"].get<bool>(), run.exit_code == 0);
    nlohmann::json checks;
    for (const auto& check : report["checks"]) checks[check["check"].get<std::string>()] = check;
    return checks;
  }

  pgmmr::test::HubServer hub_;
  pgmmr::test::TemporaryFolder folder_;
};

TEST_F(DoctorTest, LooksAtEverythingAndLeavesNothingBehind) {
  const auto checks = examine({"HF_ENDPOINT=" + hub_.url(), "PGMMR_DATABASE_URL="});
  for (const char* name : {"CPU", "memory", "PostgreSQL", "pgvector", "server", "data folder",
                           "model cache", "hub", "default model", "demo model", "fonts"}) {
    EXPECT_TRUE(checks.contains(name)) << name;
  }
  EXPECT_EQ(checks["hub"]["status"], "ok");
  EXPECT_EQ(checks["default model"]["status"], "warn");
  EXPECT_THAT(checks["default model"]["mend"].get<std::string>(), HasSubstr("pgmmr model pull"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(DoctorTest, AsksNobodyOffline) {
  const auto checks = examine({"HF_ENDPOINT=" + hub_.url(), "HF_HUB_OFFLINE=1"});
  EXPECT_EQ(checks["hub"]["status"], "ok");
  EXPECT_TRUE(hub_.requests().empty());
}

TEST_F(DoctorTest, FailsWhereTheNamedServerDoesNotAnswerAndKeepsItsPassword) {
  const auto checks = examine(
      {"HF_HUB_OFFLINE=1", "PGMMR_DATABASE_URL=postgresql://me:hush@127.0.0.1:9/pictures"}, 1);
  EXPECT_EQ(checks["server"]["status"], "fail");
  EXPECT_EQ(checks["pgvector"]["status"], "fail");
  EXPECT_THAT(checks.dump(), Not(HasSubstr("hush")));
}

TEST_F(DoctorTest, SaysWhatToDoAboutAMissingDemoModelInOneLine) {
  const auto run = pgmmr::test::run(
      {program(), "doctor"}, {"HF_HUB_OFFLINE=1", "PGMMR_RESOURCE_DIR=" + folder_.path().string()});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out, HasSubstr("fail  demo model"));
  EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 11);
}

}  // namespace
