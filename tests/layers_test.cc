// src/LAYERS is a promise: a folder includes only the folders named on its line.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "support/places.h"

namespace {

std::map<std::string, std::set<std::string>> read_layers() {
  std::map<std::string, std::set<std::string>> layers;
  std::ifstream in(pgmmr::test::source_dir() / "src/LAYERS");
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name, below;
    words >> name;
    name.pop_back();
    auto& allowed = layers[name];
    while (words >> below) allowed.insert(below);
    allowed.insert(name);
  }
  return layers;
}

TEST(Layers, FoldersIncludeOnlyTheOnesBelow) {
  const auto layers = read_layers();
  const std::regex include("^\\s*#include \"([a-z_]+)/");
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(pgmmr::test::source_dir() / "src")) {
    const auto extension = entry.path().extension();
    if (extension != ".cc" && extension != ".h") continue;
    const std::string folder = entry.path().parent_path().filename();
    ASSERT_TRUE(layers.contains(folder))
        << entry.path() << " lies in a folder that src/LAYERS does not name";
    const std::string name = entry.path().filename();
    const bool is_test = name.ends_with("_test.cc") || name.ends_with("_fixture.h");
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      std::smatch match;
      if (!std::regex_search(line, match, include) || (is_test && match[1] == "support")) continue;
      EXPECT_TRUE(layers.at(folder).contains(match[1])) << entry.path() << " includes " << match[1];
    }
  }
}

TEST(Layers, NamesOnlyLowerFolders) {
  std::set<std::string> seen;
  std::ifstream in(pgmmr::test::source_dir() / "src/LAYERS");
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name, below;
    words >> name;
    name.pop_back();
    while (words >> below)
      EXPECT_TRUE(seen.contains(below)) << name << " names " << below << ", which is not lower";
    seen.insert(name);
  }
}

}  // namespace
