#include "clip/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "support/places.h"

namespace pgmmr {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;
using testing::AllOf;
using testing::HasSubstr;

std::vector<Json> read_lines(const std::filesystem::path& path) {
  std::vector<Json> rows;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
  EXPECT_FALSE(rows.empty()) << path;
  return rows;
}

std::filesystem::path kit_tokenizer() { return *test::conformance() / "tokenizer"; }
std::filesystem::path tiny_folder() { return test::test_data() / "tokenizer/tiny"; }
std::string tiny_file(const char* name) { return read_file(tiny_folder() / name); }
Json tiny_json() { return Json::parse(tiny_file("tokenizer.json")); }
Tokenizer parse(const Json& json) { return Tokenizer::parse(json.dump(), "tokenizer.json"); }

// What an error says, with its kind checked.
std::string message_of(ErrorKind kind, const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

void expect_goldens(const Tokenizer& tokenizer) {
  const auto rows = read_lines(kit_tokenizer() / "goldens.jsonl");
  EXPECT_EQ(rows.size(), 698u);
  for (const Json& row : rows) {
    const auto text = row.at("text").get<std::string>();
    const auto ids = row.at("ids").get<Ids>();
    const Ids found = tokenizer.encode(text);
    // One letter is newer than Unicode 14; both readings count.
    if (row.contains("ids_unicode14") && found == row["ids_unicode14"].get<Ids>()) continue;
    EXPECT_EQ(found, ids) << row.at("id");
    EXPECT_EQ(tokenizer.encode(text, 77), row.contains("ids77") ? row["ids77"].get<Ids>() : ids)
        << row.at("id") << " cut to 77";
  }
}

TEST(TokenizerConformance, EqualsTheGoldensFromTokenizerJson) {
  PGMMR_NEEDS_CONFORMANCE();
  expect_goldens(Tokenizer::load(kit_tokenizer()));
}

TEST(TokenizerConformance, EqualsTheGoldensFromVocabularyAndMerges) {
  PGMMR_NEEDS_CONFORMANCE();
  const test::TemporaryFolder folder;
  for (const char* name : {"vocab.json", "merges.txt"}) {
    std::filesystem::copy(kit_tokenizer() / name, folder.path() / name);
  }
  expect_goldens(Tokenizer::load(folder.path()));
}

TEST(TokenizerConformance, EqualsTheGoldensWhateverTheOrderOfTheVocabulary) {
  PGMMR_NEEDS_CONFORMANCE();
  const test::TemporaryFolder folder;
  std::filesystem::copy(kit_tokenizer() / "merges.txt", folder.path() / "merges.txt");
  const Json vocabulary = Json::parse(read_file(kit_tokenizer() / "vocab.json"));
  write_file(folder.path() / "vocab.json", vocabulary.dump(2, ' ', /*ensure_ascii=*/true));
  expect_goldens(Tokenizer::load(folder.path()));
}

TEST(TokenizerConformance, FollowsTheNormalizedFlagOfTheEndToken) {
  PGMMR_NEEDS_CONFORMANCE();
  Json json = Json::parse(read_file(kit_tokenizer() / "tokenizer.json"));
  json["added_tokens"][1]["normalized"] = true;
  const Tokenizer tokenizer = parse(json);
  int rows = 0;
  for (const Json& row : read_lines(kit_tokenizer() / "goldens.jsonl")) {
    if (!row.contains("ids_if_endoftext_normalized")) continue;
    ++rows;
    EXPECT_EQ(tokenizer.encode(row.at("text").get<std::string>()),
              row["ids_if_endoftext_normalized"].get<Ids>());
  }
  EXPECT_EQ(rows, 2);
}

TEST(TokenizerConformance, ReadsTheBaseOfTheBrokenCheckpoints) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto base = *test::conformance() / "robustness/base";
  const Tokenizer tokenizer = Tokenizer::load(base);
  EXPECT_EQ(tokenizer.encode("a"), (Ids{516, 320, 517}));
  EXPECT_EQ(tokenizer.max_id(), 517);
}

// The kit's case of that name, its files laid over the base.
std::string message_of_case(const std::string& name) {
  const auto kit = *test::conformance() / "robustness";
  const test::TemporaryFolder folder;
  for (const char* file : {"vocab.json", "merges.txt"}) {
    const auto broken = kit / "cases" / name / file;
    std::filesystem::copy(std::filesystem::exists(broken) ? broken : kit / "base" / file,
                          folder.path() / file);
  }
  return message_of(ErrorKind::kCorrupt, [&] { Tokenizer::load(folder.path()); });
}

TEST(TokenizerConformance, SaysWhatIsWrongWithAVocabulary) {
  PGMMR_NEEDS_CONFORMANCE();
  EXPECT_THAT(
      message_of_case("vocab_missing_base_tokens"),
      AllOf(HasSubstr("vocab.json: token \""), HasSubstr("for byte 0x"), HasSubstr("is missing")));
  EXPECT_THAT(message_of_case("vocab_no_specials"),
              HasSubstr("vocab.json: the token <|startoftext|> is missing"));
  EXPECT_THAT(message_of_case("vocab_duplicate_ids"), HasSubstr("share id"));
  EXPECT_THAT(message_of_case("vocab_negative_id"), HasSubstr("expected 0 to"));
  EXPECT_THAT(message_of_case("vocab_not_json"), HasSubstr("vocab.json: not JSON: parse error at"));
  EXPECT_THAT(message_of_case("vocab_bad_utf8"), HasSubstr("vocab.json: not valid UTF-8"));
}

TEST(TokenizerConformance, TellsTheLargestIdSoThatItIsNeverLookedUp) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto kit = *test::conformance() / "robustness";
  const test::TemporaryFolder folder;
  std::filesystem::copy(kit / "base/merges.txt", folder.path() / "merges.txt");
  std::filesystem::copy(kit / "cases/vocab_id_out_of_range/vocab.json",
                        folder.path() / "vocab.json");
  EXPECT_EQ(Tokenizer::load(folder.path()).max_id(), 1000000);
}

TEST(TokenizerConformance, SaysWhatIsWrongWithMerges) {
  PGMMR_NEEDS_CONFORMANCE();
  EXPECT_THAT(message_of_case("merges_line_one_field"),
              HasSubstr("merges.txt: line 3: \"onlyone\", expected two symbols"));
  EXPECT_THAT(message_of_case("merges_line_three_fields"),
              HasSubstr("merges.txt: line 3: \"a b c\", expected two symbols"));
  EXPECT_THAT(message_of_case("merges_result_not_in_vocab"),
              HasSubstr("merges.txt: line 3: result \"qz</w>\" is not in"));
}

TEST(TokenizerConformance, TakesWindowsLineEndsAndAMissingVersion) {
  PGMMR_NEEDS_CONFORMANCE();
  const auto kit = *test::conformance() / "robustness";
  const Tokenizer base = Tokenizer::load(kit / "base");
  for (const char* name : {"merges_crlf", "merges_no_version_line"}) {
    const test::TemporaryFolder folder;
    std::filesystem::copy(kit / "base/vocab.json", folder.path() / "vocab.json");
    std::filesystem::copy(kit / "cases" / name / "merges.txt", folder.path() / "merges.txt");
    const Tokenizer tokenizer = Tokenizer::load(folder.path());
    for (const char* text : {"in the", "and are", "tin", "a"}) {
      EXPECT_EQ(tokenizer.encode(text), base.encode(text)) << name << ": " << text;
    }
  }
}

TEST(Tokenizer, EqualsTheReferenceWithASmallVocabulary) {
  const Tokenizer from_json = Tokenizer::load(tiny_folder());
  const test::TemporaryFolder folder;
  write_file(folder.path() / "vocab.json", tiny_file("vocab.json"));
  write_file(folder.path() / "merges.txt", tiny_file("merges.txt"));
  const Tokenizer from_vocabulary = Tokenizer::load(folder.path());
  EXPECT_EQ(from_json.start_token(), 598);
  EXPECT_EQ(from_json.end_token(), 599);
  EXPECT_EQ(from_json.max_id(), 599);
  for (const Json& row : read_lines(test::test_data() / "tokenizer/token_golden.jsonl")) {
    const auto text = row.at("text").get<std::string>();
    const auto ids = row.at("ids77").get<Ids>();
    EXPECT_EQ(from_json.encode(text, 77), ids) << row.at("id");
    EXPECT_EQ(from_vocabulary.encode(text, 77), ids) << row.at("id");
  }
}

TEST(Tokenizer, CutsToTheFirstIdsAndTheEndToken) {
  const Tokenizer tokenizer = Tokenizer::load(tiny_folder());
  const Ids whole = tokenizer.encode("a photo of a cat");
  for (int length = 2; length < static_cast<int>(whole.size()) + 2; ++length) {
    Ids expected = whole;
    if (length < static_cast<int>(whole.size())) {
      expected.resize(static_cast<std::size_t>(length));
      expected.back() = 599;
    }
    EXPECT_EQ(tokenizer.encode("a photo of a cat", length), expected) << length;
  }
  message_of(ErrorKind::kInvalidArgument, [&] { tokenizer.encode("a", 1); });
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  const Tokenizer tokenizer = Tokenizer::load(tiny_folder());
  for (const char* text : {"\xff", "caf\xe9", "\xc0\xaf", "\xed\xa0\x80", "\xf0\x9f\x98"}) {
    EXPECT_THAT(message_of(ErrorKind::kInvalidArgument, [&] { tokenizer.encode(text); }),
                HasSubstr("not valid UTF-8"));
  }
}

TEST(Tokenizer, ReadsZeroBytesAsCharacters) {
  const Tokenizer tokenizer = Tokenizer::load(tiny_folder());
  const Ids ids = tokenizer.encode(std::string_view("\0", 1));
  EXPECT_EQ(ids.size(), 3u);
  EXPECT_EQ(tokenizer.encode(std::string_view("a\0b", 3)).size(), 5u);
}

TEST(Tokenizer, MergesAWordOf300000LettersInTime) {  // the loop over all pairs takes minutes
  const Tokenizer tokenizer = Tokenizer::load(tiny_folder());
  EXPECT_EQ(tokenizer.encode(std::string(300'000, 'a'), 77).size(), 77u);
  std::string word;
  while (word.size() < 300'000) word += "thein";
  EXPECT_GT(tokenizer.encode(word).size(), 60'000u);
}

TEST(Tokenizer, ReadsMergesAsPairs) {
  Json json = tiny_json();
  for (Json& merge : json["model"]["merges"]) {
    const auto text = merge.get<std::string>();
    merge = {text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
  }
  EXPECT_EQ(parse(json).encode("a photo of the cat"),
            Tokenizer::load(tiny_folder()).encode("a photo of the cat"));
}

TEST(Tokenizer, ReadsTheFormsThatOtherVersionsWrite) {
  Json json = tiny_json();
  json["model"].erase("type");
  json["model"]["ignore_merges"] = false;
  json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] =
      R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";
  json["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = true;
  json["truncation"] = {{"max_length", 77}};
  json["post_processor"] = Json::parse(R"({"type": "TemplateProcessing", "single": [
      {"SpecialToken": {"id": "<|startoftext|>", "type_id": 0}}, {"Sequence": {"id": "A"}},
      {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}], "special_tokens": {
      "<|startoftext|>": {"id": "<|startoftext|>", "ids": [598]},
      "<|endoftext|>": {"id": "<|endoftext|>", "ids": [599]}}})");
  EXPECT_EQ(parse(json).encode("it's 42 cats!"),
            Tokenizer::load(tiny_folder()).encode("it's 42 cats!"));
}

TEST(Tokenizer, FindsTokensThatWereAdded) {
  Json json = tiny_json();
  json["added_tokens"].push_back({{"id", 600}, {"content", "<cat>"}, {"normalized", false}});
  json["added_tokens"].push_back({{"id", 601}, {"content", "<cat>s"}, {"normalized", false}});
  json["added_tokens"].push_back({{"id", 602}, {"content", "<DOG>"}, {"normalized", true}});
  const Tokenizer tokenizer = parse(json);
  EXPECT_EQ(tokenizer.encode("<cat><cat>s<dog><Dog>"), (Ids{598, 600, 601, 602, 602, 599}));
  EXPECT_EQ(tokenizer.max_id(), 602);
}

TEST(Tokenizer, RefusesPipelinesThatAreNotClips) {
  const auto refused = [](const std::function<void(Json&)>& change) {
    Json json = tiny_json();
    change(json);
    return message_of(ErrorKind::kUnsupported, [&] { parse(json); });
  };
  EXPECT_THAT(refused([](Json& j) { j["normalizer"]["normalizers"][0]["type"] = "NFKC"; }),
              HasSubstr("tokenizer.json: normalizer is {"));
  EXPECT_THAT(refused([](Json& j) { j["normalizer"] = nullptr; }),
              HasSubstr("normalizer is null, expected CLIP's"));
  EXPECT_THAT(refused([](Json& j) {
                j["pre_tokenizer"] = {{"type", "Whitespace"}};
              }),
              HasSubstr("pre_tokenizer is"));
  EXPECT_THAT(
      refused([](Json& j) { j["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; }),
      HasSubstr("pre_tokenizer is"));
  EXPECT_THAT(refused([](Json& j) { j["post_processor"] = nullptr; }),
              HasSubstr("post_processor is null"));
  EXPECT_THAT(refused([](Json& j) { j["model"]["type"] = "WordPiece"; }),
              HasSubstr("model.type is \"WordPiece\", expected \"BPE\""));
  EXPECT_THAT(refused([](Json& j) { j["model"]["end_of_word_suffix"] = nullptr; }),
              HasSubstr("model.end_of_word_suffix is null, expected \"</w>\""));
  EXPECT_THAT(refused([](Json& j) { j["model"]["dropout"] = 0.1; }), HasSubstr("model.dropout"));
  EXPECT_THAT(refused([](Json& j) { j["model"]["ignore_merges"] = true; }),
              HasSubstr("model.ignore_merges"));
  EXPECT_THAT(refused([](Json& j) { j["added_tokens"][0]["single_word"] = true; }),
              HasSubstr("added_tokens[0].single_word"));
}

TEST(Tokenizer, SaysWhatContradictsItself) {
  const auto wrong = [](const std::function<void(Json&)>& change) {
    Json json = tiny_json();
    change(json);
    return message_of(ErrorKind::kCorrupt, [&] { parse(json); });
  };
  EXPECT_THAT(wrong([](Json& j) { j["added_tokens"][1]["id"] = 5; }),
              HasSubstr("added_tokens[1]: token \"<|endoftext|>\" has id 5, but 599"));
  EXPECT_THAT(wrong([](Json& j) { j["post_processor"]["sep"][1] = 5; }),
              HasSubstr("post_processor names [\"<|endoftext|>\",5]"));
  EXPECT_THAT(wrong([](Json& j) { j["model"]["merges"][2] = "a"; }),
              HasSubstr("model.merges[2]: is \"a\", expected"));
  EXPECT_THAT(wrong([](Json& j) {
                j["model"]["merges"][2] = {"q", "z</w>"};
              }),
              HasSubstr("model.merges[2]: result \"qz</w>\" is not in"));
  EXPECT_THAT(wrong([](Json& j) { j["model"]["vocab"]["a"] = -1; }), HasSubstr("has id -1"));
  EXPECT_THAT(wrong([](Json& j) { j["model"]["vocab"]["a"] = 18446744073709551615u; }),
              HasSubstr("expected 0 to"));
  EXPECT_THAT(wrong([](Json& j) { j["model"]["vocab"]["a"] = "x"; }),
              HasSubstr("token \"a\" has \"x\", expected an id"));
  EXPECT_THAT(wrong([](Json& j) { j["model"]["vocab"]["a"] = j["model"]["vocab"]["b"]; }),
              HasSubstr("share id"));
  EXPECT_THAT(wrong([](Json& j) { j.erase("model"); }), HasSubstr("\"model\" is missing"));
  EXPECT_THAT(wrong([](Json& j) { j = Json::array(); }), HasSubstr("expected an object"));
}

TEST(Tokenizer, NamesTheFilesThatAreMissing) {
  const test::TemporaryFolder folder;
  const auto message = [&] {
    return message_of(ErrorKind::kNotFound, [&] { Tokenizer::load(folder.path()); });
  };
  EXPECT_THAT(message(), HasSubstr("vocab.json and merges.txt are missing, expected them or "
                                   "tokenizer.json"));
  write_file(folder.path() / "vocab.json", "{}");
  EXPECT_THAT(message(), HasSubstr("merges.txt is missing"));
}

}  // namespace
}  // namespace pgmmr
