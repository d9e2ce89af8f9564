// Every command of the README runs, in the README's order, as a stranger would type it.
//
// The blocks marked ```sh go through bash in a folder that holds what they speak of: photos/ and
// demo/. The hub is a small one in this process. The ./run commands at the top are what builds and
// runs this test.
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "support/hub_server.h"
#include "support/places.h"

namespace pgmmr {
namespace {

std::vector<std::string> shell_lines() {
  std::vector<std::string> lines;
  std::ifstream in(test::source_dir() / "README.md");
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) {
      inside = line == "```sh";
    } else if (inside && !line.empty()) {
      lines.push_back(line);
    }
  }
  return lines;
}

TEST(Readme, EveryCommandRuns) {
  const auto root = test::source_dir();
  test::TemporaryFolder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0711));
  std::filesystem::create_directories(folder.path() / "photos/2024");
  for (const auto& entry : std::filesystem::directory_iterator(test::test_data() / "images")) {
    const auto extension = entry.path().extension();
    if (extension == ".png" || extension == ".jpg") {
      std::filesystem::copy(entry, folder.path() / "photos/2024" / entry.path().filename());
    }
  }
  std::filesystem::copy(root / "demo/query.png", folder.path() / "photos/apple.png");
  write_file(folder.path() / "photos/apple.txt", "an apple on a white table\n");
  std::filesystem::create_directory_symlink(root / "demo", folder.path() / "demo");
  std::filesystem::create_directories(folder.path() / "pokemon/data");
  std::filesystem::copy(root / "demo/emoji.parquet",
                        folder.path() / "pokemon/data/train-00000-of-00001.parquet");

  test::HubServer hub;
  hub.serve("models", "openai/clip-vit-base-patch32", root / "models/demo");
  hub.serve("datasets", "wanghaofan/pokemon-wiki-captions", folder.path() / "pokemon");
  const std::vector<std::string> environment = {
      "PATH=" + test::program().parent_path().string() + ":" + std::getenv("PATH"),
      "PGMMR_DATA_DIR=" + (folder.path() / "data").string(),
      "HF_HOME=" + (folder.path() / "hf").string(),
      "HF_ENDPOINT=" + hub.url(),
      "PGMMR_DATABASE_URL=",
      "PGMMR_MODEL=",
      "HF_HUB_OFFLINE=",
  };

  const auto lines = shell_lines();
  EXPECT_GT(lines.size(), 20u);
  for (const auto& line : lines) {
    if (line.find("db stop") != std::string::npos) continue;  // last, below
    const auto finished =
        test::run({"bash", "-c", "cd '" + folder.path().string() + "' && " + line}, environment);
    EXPECT_EQ(finished.exit_code, 0) << line << "\n" << finished.out << finished.err;
    const bool speaks =
        line.find("-o ") == std::string::npos && line.find("ingest") == std::string::npos &&
        line.find("pull") == std::string::npos && line.find("backup") == std::string::npos;
    if (speaks) {
      EXPECT_FALSE(finished.out.empty()) << line << " printed nothing";
    }
  }
  for (const char* made : {"cats.png", "photos.npy", "emoji-embeddings.parquet", "all.dump"}) {
    EXPECT_GT(std::filesystem::file_size(folder.path() / made), 100u) << made;
  }
  EXPECT_EQ(test::run({test::program(), "db", "stop"}, environment).exit_code, 0);
}

}  // namespace
}  // namespace pgmmr
