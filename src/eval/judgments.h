// A file of judged queries to queries and the keys of their right answers.
//
// JSON lines, one query each; blank lines are passed over:
//
//     {"text": "a red fruit", "relevant": ["noto/1F34E", "noto/1F353"]}
//     {"image": "photos/apple.png", "not": "green", "relevant": ["noto/1F34E"]}
//     {"like": "noto/1F34E", "relevant": ["twemoji/1F34E", "fluent/1F34E"]}
//
// text, not, image and like mean what they mean to `pgmmr search`; at least one of text, image and
// like is there. Proven by examples and a fuzzer.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pgmmr {

struct Judgment {
  int line = 0;  // in the file, from 1
  std::string text, not_text, image, like;
  std::vector<std::string> relevant;  // at least one, each once
};

//   name    of the file, for messages
//   throws  Error{kInvalidArgument} naming the file and the line that breaks the rules, or the file
//           where no line holds a query
std::vector<Judgment> parse_judgments(std::string_view json_lines, const std::string& name);

// The same of a file. Pictures' paths in it are relative to its folder, and absolute here.
//   throws  Error{kNotFound} too
std::vector<Judgment> read_judgments(const std::filesystem::path& file);

}  // namespace pgmmr
