#include "http/search_call.h"

#include <charconv>

#include "base/error.h"
#include "base/file.h"
#include "http/base64.h"
#include "http/json_body.h"
#include "http/problem.h"

namespace pgmmr {
namespace {

constexpr int kDefaultHits = 20;

std::string shortened(const std::string& text) {
  return text.size() <= 60 ? '"' + text + '"' : std::to_string(text.size()) + " bytes of text";
}

// Collects what is wrong instead of stopping at the first.
class Reader {
 public:
  SearchCall take() {
    if (!call_.image.empty() && !call_.image_url.empty()) {
      wrong("image_url", "given beside image", "one of the two");
    }
    if (mistakes_.empty()) return std::move(call_);
    throw mistakes(mistakes_);
  }

  void wrong(const std::string& field, const std::string& found, const std::string& expected) {
    mistakes_.push_back({field, found, expected});
  }

  // A field that arrives as text: query parameters and forms.
  void text_field(const std::string& name, const std::string& value) {
    if (name == "k" || name == "offset") {
      int number = 0;
      const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (code != std::errc() || end != value.data() + value.size()) {
        return wrong(name, shortened(value), "a whole number");
      }
      return number_field(name, number);
    }
    string_field(name, value);
  }

  void json_field(const std::string& name, const nlohmann::json& value) {
    if (value.is_null()) return;  // as if it were not there
    if (name == "k" || name == "offset") {
      if (!value.is_number_integer()) return wrong(name, describe(value), "a whole number");
      const bool fits = value.is_number_unsigned() ? value.get<std::uint64_t>() <= 1'000'000
                                                   : value.get<std::int64_t>() >= -1'000'000;
      return number_field(name, fits ? value.get<int>() : -1);
    }
    if (!value.is_string()) return wrong(name, describe(value), "text");
    if (name == "image") return image_field(value.get<std::string>());
    string_field(name, value.get<std::string>());
  }

  void file(const std::string& name, const FormPart& part) {
    if (name != "image") return wrong(name, "a file", "the only file to be called image");
    if (part.content.empty()) return wrong(name, "empty", "a picture");
    call_.image = part.content;
    call_.query.picture_name = part.filename.empty() ? "upload" : part.filename;
  }

 private:
  void number_field(const std::string& name, int number) {
    const bool is_k = name == "k";
    const int least = is_k ? 1 : 0, most = is_k ? kMostHits : kMostOffset;
    if (number < least || number > most) {
      return wrong(name, number < -1 || number > 0 ? std::to_string(number) : "out of range",
                   std::to_string(least) + " to " + std::to_string(most));
    }
    (is_k ? call_.query.limit : call_.offset) = number;
  }

  void image_field(const std::string& value) {
    const auto bytes = is_data_url(value) ? decode_data_url(value) : decode_base64(value);
    if (!bytes || bytes->empty()) return wrong("image", "not base64", "a picture in base64");
    call_.image = *bytes;
    call_.query.picture_name = "upload";
  }

  void string_field(const std::string& name, const std::string& value) {
    if (name == "image") return image_field(value);
    if (name == "image_url" && is_data_url(value)) return image_field(value);
    if (value.size() > kMostText) {
      return wrong(name, std::to_string(value.size()) + " bytes",
                   "at most " + std::to_string(kMostText));
    }
    if (!is_utf8(value) || value.find('\0') != std::string::npos) {
      return wrong(name, "not UTF-8 text", "UTF-8 text");
    }
    if (name == "collection") {
      call_.collection = value;
    } else if (name == "text") {
      call_.query.text = value;
    } else if (name == "not") {
      call_.query.not_text = value;
    } else if (name == "like") {
      call_.query.like_key = value;
    } else if (name == "image_url") {
      const bool is_web = value.starts_with("http://") || value.starts_with("https://");
      if (!value.empty() && !is_web) {
        return wrong(name, shortened(value), "an http or https address");
      }
      call_.image_url = value;
      if (!value.empty()) call_.query.picture_name = value;
    } else if (name == "mode") {
      const auto mode = search_mode(value);
      if (!mode) return wrong(name, shortened(value), "auto, vector, keyword or hybrid");
      call_.query.mode = *mode;
    } else {
      wrong(name.substr(0, 60), "unknown",
            "collection, text, like, image, image_url, not, mode, k or offset");
    }
  }

  SearchCall call_ = [] {
    SearchCall call;
    call.query.limit = kDefaultHits;
    return call;
  }();
  std::vector<FieldMistake> mistakes_;
};

std::string media_type_of(const WebRequest& request) {
  std::string type = request.header("content-type");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.pop_back();
  for (char& c : type) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return type;
}

}  // namespace

std::optional<SearchMode> search_mode(const std::string& name) {
  if (name == "auto" || name.empty()) return SearchMode::kAuto;
  if (name == "vector") return SearchMode::kVector;
  if (name == "keyword") return SearchMode::kKeyword;
  if (name == "hybrid") return SearchMode::kHybrid;
  return std::nullopt;
}

SearchCall read_search(const WebRequest& request) {
  Reader reader;
  // Query parameters count for every method; a body may repeat none of them.
  const std::string type = media_type_of(request);
  for (const auto& [name, value] : request.params) reader.text_field(name, value);
  if (request.method == "POST" && !request.parts.empty()) {
    for (const auto& [name, part] : request.parts) {
      if (name == "image" && (!part.filename.empty() || !part.content_type.empty())) {
        reader.file(name, part);
      } else {
        reader.text_field(name, part.content);
      }
    }
  } else if (request.method == "POST" && type == "application/json") {
    const nlohmann::json body = parse_json_object(request.body);
    for (const auto& [name, value] : body.items()) reader.json_field(name, value);
  } else if (request.method == "POST" && type.starts_with("image/")) {
    reader.file("image", {request.body, "upload", type});
  } else if (request.method == "POST" && !request.body.empty() &&
             type != "application/x-www-form-urlencoded") {
    throw Problem(415, "the body is " + (type.empty() ? "of no stated type" : type) +
                           ", expected application/json, multipart/form-data or a picture");
  }
  return reader.take();
}

}  // namespace pgmmr
