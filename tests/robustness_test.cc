// The conformance kit's broken checkpoints, label files and pictures, through the built program:
// the right exit, a message of one line that names the file, bounded time and memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "support/places.h"

namespace pgmmr {
namespace {

using testing::HasSubstr;

std::filesystem::path robustness() { return *test::conformance() / "robustness"; }

nlohmann::json cases_of(const std::string& kind) {
  nlohmann::json chosen = nlohmann::json::array();
  const auto all = nlohmann::json::parse(std::ifstream(robustness() / "cases.json"));
  for (const auto& one : all.at("cases")) {
    if (one.at("kind") == kind) chosen.push_back(one);
  }
  return chosen;
}

// Below 1 GiB and 10 seconds, as the kit asks. Address space stands in for memory: more than is
// used, never less. Sanitizers reserve terabytes of it.
test::Finished run_limited(std::vector<std::string> command) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  const std::string limits = "ulimit -t 60; exec \"$@\"";
#else
  const std::string limits = "ulimit -t 10 -v 2097152; exec \"$@\"";
#endif
  command.insert(command.begin(), {"/bin/bash", "-c", limits, "limited"});
  return test::run(command);
}

struct Verdict {
  bool failed = false;  // an error or a null
  bool said = false;    // anything on standard error
};

Verdict judge(const test::Finished& finished) {
  EXPECT_LE(finished.exit_code, 3) << "crashed or was stopped\n" << finished.err;
  EXPECT_EQ(finished.out.find("nan"), std::string::npos);
  return {finished.exit_code != 0, !finished.err.empty()};
}

void expect(const std::string& expectation, const Verdict& verdict) {
  if (expectation == "fail") {
    EXPECT_TRUE(verdict.failed);
  } else if (expectation == "fail_or_warn") {
    EXPECT_TRUE(verdict.failed || verdict.said);
  } else if (expectation != "fail_or_ok") {
    EXPECT_FALSE(verdict.failed);
  }
  if (verdict.failed) {
    EXPECT_TRUE(verdict.said);
  }
}

// A copy of the kit's base checkpoint with one case's files removed and put over it.
void make_checkpoint(const nlohmann::json& one, const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(robustness() / "base")) {
    write_file(folder / entry.path().filename(), read_file(entry.path()));
  }
  for (const std::string file : one.at("remove")) std::filesystem::remove(folder / file);
  for (const std::string file : one.at("overlay")) {
    write_file(folder / file,
               read_file(robustness() / "cases" / one.at("name").get<std::string>() / file));
  }
}

TEST(CheckpointRobustness, EveryBrokenCheckpointIsRefusedWithItsFileNamed) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto cases = cases_of("checkpoint");
  EXPECT_GE(cases.size(), 64u);
  const auto picture = (test::test_data() / "models/tiny/picture.png").string();
  for (const auto& one : cases) {
    const std::string name = one.at("name");
    SCOPED_TRACE(name);
    const test::TemporaryFolder folder;
    make_checkpoint(one, folder.path());
    const auto text = run_limited(
        {test::program(), "embed", "text", "a photo of a cat", "--model", folder.path()});
    const auto image =
        run_limited({test::program(), "embed", "image", picture, "--model", folder.path()});
    const Verdict of_text = judge(text), of_image = judge(image);
    expect(one.at("expect"), {of_text.failed || of_image.failed, of_text.said || of_image.said});
    for (const test::Finished& finished : {text, image}) {
      if (finished.exit_code != 1) continue;
      EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
      EXPECT_THAT(finished.err, HasSubstr(folder.path().string())) << "names the file";
    }
  }
}

TEST(LabelFileRobustness, EveryAwkwardLabelFileIsReadOrRefusedAsTheKitSays) {
  PGMMR_NEEDS_CONFORMANCE();
  for (const auto& one : cases_of("text")) {
    const std::string name = one.at("name");
    SCOPED_TRACE(name);
    const auto labels = (robustness() / "cases" / name / "labels.txt").string();
    const auto finished = run_limited(
        {test::program(), "embed", "text", "--file", labels, "--model", robustness() / "base"});
    expect(one.at("expect"), judge(finished));
  }
}

test::Finished embed_lines(const std::string& bytes) {
  const test::TemporaryFolder folder;
  write_file(folder.path() / "labels.txt", bytes);
  return test::run({test::program(), "embed", "text", "--file", folder.path() / "labels.txt",
                    "--model", test::test_data() / "models/tiny"});
}

nlohmann::json rows_of(const test::Finished& finished) {
  return nlohmann::json::parse(finished.out).at("embeddings");
}

TEST(LabelFileRobustness, LinesThatAreNotUtf8LeaveNullAndTheOthersStay) {
  const auto finished = embed_lines("red\n\xFF\ncat\n");
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_THAT(finished.err, HasSubstr("labels.txt: line 2: is not UTF-8"));
  const auto rows = rows_of(finished);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_TRUE(rows[1].is_null());
  EXPECT_EQ(rows[0], rows_of(embed_lines("red"))[0]);
  EXPECT_EQ(rows[2], rows_of(embed_lines("cat"))[0]);
}

TEST(LabelFileRobustness, ByteOrderMarkAndLineEndsAreNoPartOfATextButNulIs) {
  const auto clean = rows_of(embed_lines("red\ncat"));
  EXPECT_EQ(rows_of(embed_lines("\xEF\xBB\xBFred\r\ncat\r\n")), clean);
  EXPECT_NE(rows_of(embed_lines(std::string("red\0\ncat", 8))), clean);
  EXPECT_EQ(rows_of(embed_lines("red\n\ncat\n")).size(), 3u) << "a blank line keeps its row";
  EXPECT_EQ(embed_lines("").exit_code, 1);
}

// Beside a good picture, which must come through whatever happens to the other.
TEST(PictureRobustness, EveryBrokenPictureIsRefusedByNameAndItsNeighbourStays) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto good = (*test::conformance() / "images/inputs/flat.png").string();
  for (const auto& one : cases_of("image")) {
    const std::string name = one.at("name");
    SCOPED_TRACE(name);
    for (const auto& entry : std::filesystem::directory_iterator(robustness() / "cases" / name)) {
      const auto finished = run_limited({test::program(), "embed", "image", entry.path(), good,
                                         "--model", robustness() / "base"});
      expect(one.at("expect"), judge(finished));
      const auto rows = rows_of(finished);
      ASSERT_EQ(rows.size(), 2u);
      EXPECT_EQ(rows[0].is_null(), finished.exit_code == 3);
      EXPECT_FALSE(rows[1].is_null());
      if (rows[0].is_null()) {
        EXPECT_THAT(finished.err, HasSubstr(entry.path().filename().string()));
      }
    }
  }
}

}  // namespace
}  // namespace pgmmr
