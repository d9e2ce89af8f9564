#include "http/byte_range.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace pgmmr {
namespace {

std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || end != digits.data() + digits.size()) return std::nullopt;
  if (code != std::errc()) return std::nullopt;
  return value;
}

}  // namespace

ByteRange read_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return {};
  const std::string_view spec = header.substr(kUnit.size());
  const auto dash = spec.find('-');
  if (dash == std::string_view::npos || spec.find(',') != std::string_view::npos) return {};
  const auto first = number(spec.substr(0, dash)), last = number(spec.substr(dash + 1));
  if (dash == 0) {  // the last so many bytes
    if (!last) return {};
    if (*last == 0 || size == 0) return {ByteRange::Kind::kOutside, 0, 0};
    const std::uint64_t length = std::min(*last, size);
    return {ByteRange::Kind::kPart, size - length, length};
  }
  const bool open = dash + 1 == spec.size();
  if (!first || (!open && !last) || (last && *last < *first)) return {};
  if (*first >= size) return {ByteRange::Kind::kOutside, 0, 0};
  const std::uint64_t end = last ? std::min(*last, size - 1) : size - 1;
  return {ByteRange::Kind::kPart, *first, end - *first + 1};
}

}  // namespace pgmmr
