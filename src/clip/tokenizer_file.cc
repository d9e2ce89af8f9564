#include "clip/tokenizer_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "clip/vocabulary.h"

namespace pgmmr {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kStart = "<|startoftext|>";
constexpr std::string_view kEnd = "<|endoftext|>";

[[noreturn]] void corrupt(const std::string& file_name, const std::string& what) {
  throw Error(ErrorKind::kCorrupt, file_name + ": " + what);
}

// nlohmann's own words, without the number in front: "parse error at line 1, column 2: ...".
[[noreturn]] void not_json(const std::string& file_name, const std::exception& error) {
  const std::string_view message = error.what();
  const std::size_t prefix = message.find("] ");
  corrupt(file_name,
          "not JSON: " + std::string(message.substr(prefix == message.npos ? 0 : prefix + 2)));
}

void check_utf8(std::string_view text, const std::string& file_name) {
  if (!is_utf8(text)) corrupt(file_name, "not valid UTF-8");
}

// A value as it can stand in a message.
std::string excerpt(const Json& value) {
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  if (text.size() > 160) text = text.substr(0, 157) + "...";
  return text;
}

// ---- vocab.json and merges.txt

// vocab.json straight into a Vocabulary: a document tree of 49,408 entries costs three times as
// much.
class VocabularyReader : public nlohmann::json_sax<Json> {
 public:
  VocabularyReader(Vocabulary& vocabulary, const std::string& file_name)
      : vocabulary_(vocabulary), file_name_(file_name) {}

  bool key(string_t& token) override {
    token_ = std::move(token);
    return true;
  }
  bool number_unsigned(number_unsigned_t id) override {
    if (!inside_) return wrong("a number");
    constexpr number_unsigned_t kTooLarge = number_unsigned_t{1} << 62;
    vocabulary_.add(token_, static_cast<std::int64_t>(std::min(id, kTooLarge)));
    return true;
  }
  bool number_integer(number_integer_t id) override {
    if (!inside_) return wrong("a number");
    vocabulary_.add(token_, id);
    return true;
  }
  bool start_object(std::size_t) override {
    if (inside_) return wrong("an object");
    inside_ = true;
    return true;
  }
  bool end_object() override { return true; }
  bool null() override { return wrong("null"); }
  bool boolean(bool) override { return wrong("a boolean"); }
  bool number_float(number_float_t, const string_t& text) override { return wrong(text); }
  bool string(string_t&) override { return wrong("a string"); }
  bool binary(binary_t&) override { return wrong("bytes"); }
  bool start_array(std::size_t) override { return wrong("an array"); }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    not_json(file_name_, e);
  }

 private:
  bool wrong(const std::string& found) const {
    if (!inside_) corrupt(file_name_, "is " + found + ", expected an object of tokens and ids");
    corrupt(file_name_,
            fmt::format("token \"{}\" has {}, expected an id (an integer from 0)", token_, found));
  }

  Vocabulary& vocabulary_;
  const std::string& file_name_;
  std::string token_;
  bool inside_ = false;
};

std::vector<BytePairs::Merge> read_merges(std::string_view text, const std::string& file_name,
                                          Vocabulary& vocabulary) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const std::size_t last = text.find_last_not_of("\r\n");
  text = text.substr(0, last == text.npos ? 0 : last + 1);

  std::vector<BytePairs::Merge> merges;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    // Any number of version lines, as `tokenizers` has it; and none is no fault.
    if (line.starts_with("#version")) continue;

    const auto where = [&] { return fmt::format("{}: line {}", file_name, number); };
    const std::size_t space = line.find(' ');
    if (space == line.npos || space == 0 || space + 1 == line.size() ||
        line.find(' ', space + 1) != line.npos) {
      corrupt(where(), fmt::format("\"{}\", expected two symbols and one space between", line));
    }
    merges.push_back(vocabulary.merge(line.substr(0, space), line.substr(space + 1), where));
  }
  return merges;
}

std::int32_t special_token(const Vocabulary& vocabulary, std::string_view token,
                           const std::string& file_name) {
  const auto id = vocabulary.find(token);
  if (!id) corrupt(file_name, fmt::format("the token {} is missing", token));
  return *id;
}

// ---- tokenizer.json

// Absent and null are the same to the Rust library.
const Json& optional(const Json& object, const char* key) {
  static const Json null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

class JsonReader {
 public:
  JsonReader(std::string_view text, const std::string& file_name) : file_name_(file_name) {
    check_utf8(text, file_name);
    try {
      root_ = Json::parse(text);
    } catch (const Json::parse_error& error) {
      not_json(file_name, error);
    }
    if (!root_.is_object()) corrupt(file_name, "is " + excerpt(root_) + ", expected an object");
  }

  TokenizerFile read() const {
    const Json& model = required(root_, "model", Json::value_t::object);
    check_model(model);
    check_normalizer();
    const bool with_special_tokens = read_pre_tokenizer();

    Vocabulary vocabulary(file_name_ + ": model.vocab");
    for (const auto& [token, id] : required(model, "vocab", Json::value_t::object).items()) {
      if (!id.is_number_integer()) {
        corrupt(file_name_, fmt::format("model.vocab: token \"{}\" has {}, expected an id (an "
                                        "integer from 0)",
                                        token, excerpt(id)));
      }
      vocabulary.add(token, integer(id));
    }
    const auto symbols = vocabulary.byte_symbols();
    const auto merges = read_merge_list(model, vocabulary);
    auto added_tokens = read_added_tokens(vocabulary);
    const auto [start, end] = read_post_processor(vocabulary);
    return {BytePairs(symbols, merges), std::move(added_tokens), with_special_tokens, start, end,
            vocabulary.max_id()};
  }

 private:
  [[noreturn]] void refuse(const std::string& key, const Json& found,
                           const std::string& expected) const {
    throw Error(ErrorKind::kUnsupported, fmt::format("{}: {} is {}, expected {}", file_name_, key,
                                                     excerpt(found), expected));
  }

  const Json& required(const Json& object, const char* key, Json::value_t type) const {
    const auto found = object.find(key);
    if (found == object.end()) corrupt(file_name_, fmt::format("\"{}\" is missing", key));
    if (found->type() != type) {
      corrupt(file_name_, fmt::format("\"{}\" is {}, expected an {}", key, excerpt(*found),
                                      Json(type).type_name()));
    }
    return *found;
  }

  // Larger than int64 is as wrong as negative, and Vocabulary refuses both.
  static std::int64_t integer(const Json& value) {
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (value.is_number_unsigned()) {
      return static_cast<std::int64_t>(std::min(value.get<std::uint64_t>(), kMost));
    }
    return value.get<std::int64_t>();
  }

  void check_model(const Json& model) const {
    const Json& type = optional(model, "type");  // not written before tokenizers 0.9
    if (!type.is_null() && type != "BPE") refuse("model.type", type, "\"BPE\"");
    const Json& suffix = optional(model, "end_of_word_suffix");
    if (suffix != "</w>") refuse("model.end_of_word_suffix", suffix, "\"</w>\"");
    const Json& prefix = optional(model, "continuing_subword_prefix");
    if (!prefix.is_null() && prefix != "")
      refuse("model.continuing_subword_prefix", prefix, "\"\"");
    const Json& dropout = optional(model, "dropout");
    if (!dropout.is_null() && dropout != 0) refuse("model.dropout", dropout, "null");
    for (const char* key : {"byte_fallback", "ignore_merges"}) {
      const Json& flag = optional(model, key);
      if (!flag.is_null() && flag != false) {
        refuse(std::string("model.") + key, flag, "false");
      }
    }
  }

  void check_normalizer() const {
    static const Json expected = Json::parse(R"({"type": "Sequence", "normalizers": [
        {"type": "NFC"},
        {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
        {"type": "Lowercase"}]})");
    const Json& found = optional(root_, "normalizer");
    if (found != expected) refuse("normalizer", found, "CLIP's, " + expected.dump());
  }

  // returns  whether the pattern begins with the special tokens
  bool read_pre_tokenizer() const {
    static const std::string words = R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";
    static const std::string special = R"(<\|startoftext\|>|<\|endoftext\|>|)";
    const auto split = [](const std::string& pattern) {
      return Json{{"type", "Split"},
                  {"pattern", {{"Regex", pattern}}},
                  {"behavior", "Removed"},
                  {"invert", true}};
    };
    const Json& found = optional(root_, "pre_tokenizer");
    const Json& steps = found.is_object() ? optional(found, "pretokenizers") : found;
    if (found.is_object() && optional(found, "type") == "Sequence" && steps.is_array() &&
        steps.size() == 2 && steps[1].is_object()) {
      const Json& bytes = steps[1];
      const Json& expression = optional(bytes, "use_regex");
      const bool byte_level = optional(bytes, "type") == "ByteLevel" &&
                              optional(bytes, "add_prefix_space") == false &&
                              (expression.is_null() || expression == true);
      if (byte_level && steps[0] == split(special + words)) return true;
      if (byte_level && steps[0] == split(words)) return false;
    }
    refuse("pre_tokenizer", found, "CLIP's, Split by " + words + " and then ByteLevel");
  }

  std::vector<BytePairs::Merge> read_merge_list(const Json& model, Vocabulary& vocabulary) const {
    std::vector<BytePairs::Merge> merges;
    const Json& list = required(model, "merges", Json::value_t::array);
    merges.reserve(list.size());
    for (const Json& entry : list) {
      const auto where = [&] {
        return fmt::format("{}: model.merges[{}]", file_name_, merges.size());
      };
      std::string_view left, right;
      if (entry.is_string()) {
        const std::string_view both = entry.get_ref<const std::string&>();
        const std::size_t space = both.find(' ');
        if (space != both.npos && both.find(' ', space + 1) == both.npos) {
          left = both.substr(0, space);
          right = both.substr(space + 1);
        }
      } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
                 entry[1].is_string()) {
        left = entry[0].get_ref<const std::string&>();
        right = entry[1].get_ref<const std::string&>();
      }
      if (left.empty() || right.empty()) {
        corrupt(where(),
                "is " + excerpt(entry) + R"(, expected "left right" or ["left", "right"])");
      }
      merges.push_back(vocabulary.merge(left, right, where));
    }
    return merges;
  }

  // Adds to the vocabulary what it doesn't have. lstrip and rstrip take white space into a token,
  // which makes no pieces anyway.
  std::vector<AddedToken> read_added_tokens(Vocabulary& vocabulary) const {
    std::vector<AddedToken> tokens;
    const Json& list = optional(root_, "added_tokens");
    if (list.is_null()) return tokens;
    if (!list.is_array()) corrupt(file_name_, "added_tokens is " + excerpt(list));
    for (const Json& entry : list) {
      const std::string key = fmt::format("added_tokens[{}]", tokens.size());
      const bool complete = entry.is_object() && optional(entry, "content").is_string() &&
                            optional(entry, "id").is_number_integer() &&
                            optional(entry, "normalized").is_boolean();
      if (!complete) {
        corrupt(file_name_,
                key + " is " + excerpt(entry) + ", expected content, id and normalized");
      }
      const Json& single_word = optional(entry, "single_word");
      if (!single_word.is_null() && single_word != false) {
        refuse(key + ".single_word", single_word, "false");
      }
      const std::string& content = entry["content"].get_ref<const std::string&>();
      const std::int64_t id = integer(entry["id"]);
      const auto known = vocabulary.find(content);
      if (!known) vocabulary.add(content, id);
      if (known && *known != id) {
        corrupt(file_name_, fmt::format("{}: token \"{}\" has id {}, but {} in model.vocab", key,
                                        content, id, *known));
      }
      tokens.push_back({content, static_cast<std::int32_t>(id), entry["normalized"].get<bool>()});
    }
    return tokens;
  }

  // returns  the start and the end token
  std::pair<std::int32_t, std::int32_t> read_post_processor(const Vocabulary& vocabulary) const {
    const Json& found = optional(root_, "post_processor");
    const Json& type = found.is_object() ? optional(found, "type") : found;
    if (type == "RobertaProcessing") {
      return {listed(vocabulary, optional(found, "cls")),
              listed(vocabulary, optional(found, "sep"))};
    }
    const Json& parts = type == "TemplateProcessing" ? optional(found, "single") : type;
    if (parts.is_array() && parts.size() == 3 && parts[0].contains("SpecialToken") &&
        parts[1].contains("Sequence") && parts[2].contains("SpecialToken")) {
      return {templated(vocabulary, found, parts[0]), templated(vocabulary, found, parts[2])};
    }
    refuse("post_processor", found,
           "RobertaProcessing or TemplateProcessing that puts one token "
           "before and one after the text");
  }

  // ["<|endoftext|>", 49407]
  std::int32_t listed(const Vocabulary& vocabulary, const Json& pair) const {
    if (pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_number_integer()) {
      const auto id = vocabulary.find(pair[0].get_ref<const std::string&>());
      if (id && *id == integer(pair[1])) return *id;
    }
    corrupt(file_name_, "post_processor names " + excerpt(pair) +
                            ", expected a token of the vocabulary with its id");
  }

  // {"SpecialToken": {"id": NAME}}, and in special_tokens {NAME: {"ids": [49407]}}
  std::int32_t templated(const Vocabulary& vocabulary, const Json& processor,
                         const Json& part) const {
    const Json& token = part["SpecialToken"];
    const Json& name = token.is_object() ? optional(token, "id") : token;
    const Json& tokens = optional(processor, "special_tokens");
    if (name.is_string() && tokens.is_object()) {
      const std::string& text = name.get_ref<const std::string&>();
      const Json& entry = optional(tokens, text.c_str());
      const Json& ids = entry.is_object() ? optional(entry, "ids") : entry;
      const auto id = vocabulary.find(text);
      if (ids.is_array() && ids.size() == 1 && ids[0].is_number_integer() && id &&
          *id == integer(ids[0])) {
        return *id;
      }
    }
    corrupt(file_name_, "post_processor names " + excerpt(part) +
                            ", expected a token of the vocabulary with its id");
  }

  const std::string& file_name_;
  Json root_;
};

}  // namespace

TokenizerFile parse_tokenizer_json(std::string_view json, const std::string& file_name) {
  return JsonReader(json, file_name).read();
}

TokenizerFile parse_vocabulary(std::string_view vocab_json, const std::string& vocab_name,
                               std::string_view merges_txt, const std::string& merges_name) {
  check_utf8(vocab_json, vocab_name);
  check_utf8(merges_txt, merges_name);
  Vocabulary vocabulary(vocab_name);
  VocabularyReader reader(vocabulary, vocab_name);
  Json::sax_parse(vocab_json, &reader);
  const std::int32_t start = special_token(vocabulary, kStart, vocab_name);
  const std::int32_t end = special_token(vocabulary, kEnd, vocab_name);
  const auto symbols = vocabulary.byte_symbols();
  const auto merges = read_merges(merges_txt, merges_name, vocabulary);
  std::vector<AddedToken> added_tokens{{std::string(kStart), start, /*normalized=*/true},
                                       {std::string(kEnd), end, /*normalized=*/false}};
  return {BytePairs(symbols, merges),
          std::move(added_tokens),
          /*pieces_with_special_tokens=*/true,
          start,
          end,
          vocabulary.max_id()};
}

}  // namespace pgmmr
