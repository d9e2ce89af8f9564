#include "dataset/value_text.h"

#include <fmt/format.h>

#include "dataset/chunk_cutter.h"

namespace pgmmr {

std::string value_text(const Value& value) {
  struct Visitor {
    std::string operator()(std::monostate) const { return {}; }
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(std::int64_t i) const { return fmt::format("{}", i); }
    std::string operator()(double d) const { return fmt::format("{}", d); }
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const std::vector<std::string>& texts) const {
      std::string joined;
      for (const std::string& text : texts) joined += (joined.empty() ? "" : "\n") + text;
      return joined;
    }
  };
  return std::visit(Visitor{}, value);
}

std::string value_identity(const Value& value) {
  const auto* texts = std::get_if<std::vector<std::string>>(&value);
  std::string identity = fmt::format("{}|", value.index());
  if (texts == nullptr) return identity + value_text(value);
  for (const std::string& text : *texts) identity += framed(text);
  return identity;
}

}  // namespace pgmmr
