#include "store/binary_format.h"

#include <fmt/core.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"

namespace pgmmr {
namespace {

constexpr std::uint32_t kTextOid = 25;
constexpr std::int64_t kDaysTo2000 = 10957;  // PostgreSQL counts from 2000-01-01
constexpr std::int64_t kMicrosTo2000 = kDaysTo2000 * 86'400'000'000;

constexpr std::pair<std::string_view, CellType> kTypeNames[] = {
    {"boolean", CellType::kBoolean},
    {"bool", CellType::kBoolean},
    {"smallint", CellType::kSmallint},
    {"int2", CellType::kSmallint},
    {"integer", CellType::kInteger},
    {"int", CellType::kInteger},
    {"int4", CellType::kInteger},
    {"bigint", CellType::kBigint},
    {"int8", CellType::kBigint},
    {"real", CellType::kReal},
    {"float4", CellType::kReal},
    {"double precision", CellType::kDouble},
    {"float8", CellType::kDouble},
    {"numeric", CellType::kNumeric},
    {"decimal", CellType::kNumeric},
    {"text", CellType::kText},
    {"date", CellType::kDate},
    {"timestamp", CellType::kTimestamp},
    {"timestamp without time zone", CellType::kTimestamp},
    {"timestamptz", CellType::kTimestampTz},
    {"timestamp with time zone", CellType::kTimestampTz},
    {"bytea", CellType::kBytea},
    {"text[]", CellType::kTextArray},
    {"jsonb", CellType::kJsonb},
};

std::string_view name_of(CellType type) {
  for (const auto& [name, one] : kTypeNames) {
    if (one == type) return name;
  }
  return "?";
}

template <typename T>
void append_big_endian(std::string& out, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(static_cast<std::make_unsigned_t<T>>(value) >> shift);
  }
}

[[noreturn]] void refuse(CellType type, std::string_view found) {
  throw Error(ErrorKind::kInvalidArgument, fmt::format("{} is no {}", found, name_of(type)));
}

std::int64_t whole(CellType type, const CellValue& value, std::int64_t low, std::int64_t high) {
  const auto* number = std::get_if<std::int64_t>(&value);
  if (number == nullptr) refuse(type, "another kind of value");
  if (*number < low || *number > high) refuse(type, std::to_string(*number));
  return *number;
}

double real(CellType type, const CellValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number);
  refuse(type, "another kind of value");
}

const std::string& text(CellType type, const CellValue& value) {
  const auto* string = std::get_if<std::string>(&value);
  if (string == nullptr) refuse(type, "another kind of value");
  return *string;
}

std::string numeric_digits(const CellValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&value)) {
    if (std::isnan(*number)) return "NaN";
    char digits[400];
    const auto end = std::to_chars(digits, digits + sizeof digits, *number).ptr;
    return {digits, end};
  }
  return text(CellType::kNumeric, value);
}

// Writes a length, lets body append, and puts the length right.
template <typename Body>
void sized(std::string& out, Body body) {
  const std::size_t at = out.size();
  append_int32(out, 0);
  body();
  const auto size = out.size() - at - 4;
  if (size > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a value of {} bytes is beyond PostgreSQL's limit of 1 GB", size));
  }
  std::string length;
  append_int32(length, static_cast<std::int32_t>(size));
  out.replace(at, 4, length);
}

}  // namespace

CellType cell_type(std::string_view name) {
  for (const auto& [known, type] : kTypeNames) {
    if (known == name) return type;
  }
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("column type {}: collections hold boolean, smallint, integer, bigint, "
                          "real, double precision, numeric, text, date, timestamp, timestamptz, "
                          "bytea, text[] and jsonb",
                          name));
}

void append_int16(std::string& out, std::int16_t value) { append_big_endian(out, value); }
void append_int32(std::string& out, std::int32_t value) { append_big_endian(out, value); }
void append_int64(std::string& out, std::int64_t value) { append_big_endian(out, value); }
void append_null(std::string& out) { append_int32(out, -1); }

void append_field(std::string& out, std::string_view bytes) {
  sized(out, [&] { out += bytes; });
}

void append_cell(std::string& out, CellType type, const CellValue& value) {
  if (std::holds_alternative<std::monostate>(value)) return append_null(out);
  using Wide = std::numeric_limits<std::int64_t>;
  sized(out, [&] {
    switch (type) {
      case CellType::kBoolean: {
        const auto* flag = std::get_if<bool>(&value);
        if (flag == nullptr) refuse(type, "another kind of value");
        out += *flag ? '\1' : '\0';
        break;
      }
      case CellType::kSmallint:
        append_int16(out, static_cast<std::int16_t>(whole(type, value, INT16_MIN, INT16_MAX)));
        break;
      case CellType::kInteger:
        append_int32(out, static_cast<std::int32_t>(whole(type, value, INT32_MIN, INT32_MAX)));
        break;
      case CellType::kBigint:
        append_int64(out, whole(type, value, Wide::min(), Wide::max()));
        break;
      case CellType::kReal: {
        const double number = real(type, value);
        const auto narrow = static_cast<float>(number);
        if (std::isinf(narrow) && !std::isinf(number)) refuse(type, fmt::format("{}", number));
        append_int32(out, std::bit_cast<std::int32_t>(narrow));
        break;
      }
      case CellType::kDouble:
        append_int64(out, std::bit_cast<std::int64_t>(real(type, value)));
        break;
      case CellType::kNumeric:
        append_numeric(out, numeric_digits(value));
        break;
      case CellType::kText:
      case CellType::kBytea:
        out += text(type, value);
        break;
      case CellType::kDate:
        append_int32(out,
                     static_cast<std::int32_t>(
                         whole(type, value, INT32_MIN + kDaysTo2000 + 1, INT32_MAX) - kDaysTo2000));
        break;
      case CellType::kTimestamp:
      case CellType::kTimestampTz:
        append_int64(
            out, whole(type, value, Wide::min() + kMicrosTo2000 + 1, Wide::max()) - kMicrosTo2000);
        break;
      case CellType::kTextArray: {
        const auto* values = std::get_if<std::vector<std::string>>(&value);
        if (values == nullptr) refuse(type, "another kind of value");
        append_text_array(out, *values);
        break;
      }
      case CellType::kJsonb:
        out += '\1';  // the version of jsonb's wire format
        out += text(type, value);
        break;
    }
  });
}

// numeric_recv: count of base-10000 digits, weight of the first, sign, decimals shown, digits.
void append_numeric(std::string& out, std::string_view digits) {
  constexpr std::int16_t kPositive = 0, kNegative = 0x4000;
  constexpr auto kNaN = static_cast<std::int16_t>(0xC000);
  constexpr auto kInfinity = static_cast<std::int16_t>(0xD000);
  constexpr auto kMinusInfinity = static_cast<std::int16_t>(0xF000);
  const auto special = [&](std::int16_t sign) {
    append_int16(out, 0);
    append_int16(out, 0);
    append_int16(out, sign);
    append_int16(out, 0);
  };
  std::string_view rest = digits;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "NaN" || rest == "nan") return special(kNaN);
  if (rest == "Infinity" || rest == "inf") return special(negative ? kMinusInfinity : kInfinity);

  std::string plain;          // decimal digits without the point
  std::int64_t point = -1;    // digits before it
  std::int64_t exponent = 0;  // after an e
  std::size_t at = 0;
  for (; at < rest.size(); ++at) {
    const char c = rest[at];
    if (c >= '0' && c <= '9') {
      plain += c;
    } else if (c == '.' && point < 0) {
      point = static_cast<std::int64_t>(plain.size());
    } else {
      break;
    }
  }
  if (point < 0) point = static_cast<std::int64_t>(plain.size());
  if (at < rest.size() && (rest[at] == 'e' || rest[at] == 'E')) {
    std::string_view power = rest.substr(at + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    const auto [end, code] = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (code == std::errc() && end == power.data() + power.size()) at = rest.size();
  }
  // numeric's own limits: 131072 digits before the point, 16383 after it.
  if (plain.empty() || at != rest.size() || exponent > 131'072 || exponent < -16'383) {
    refuse(CellType::kNumeric, fmt::format("\"{}\"", digits.substr(0, 40)));
  }
  std::int64_t decimals = static_cast<std::int64_t>(plain.size()) - point - exponent;
  point += exponent;
  if (decimals < 0) {  // 1e5: zeros that the text leaves out
    plain.append(static_cast<std::size_t>(-decimals), '0');
    decimals = 0;
  }
  if (point < 0) {
    plain.insert(0, static_cast<std::size_t>(-point), '0');
    point = 0;
  }
  if (point > 131'072 || decimals > 16'383) {
    refuse(CellType::kNumeric, fmt::format("a number of {} digits", plain.size()));
  }
  // Groups of four, aligned at the point.
  plain.insert(0, static_cast<std::size_t>((4 - point % 4) % 4), '0');
  std::int64_t weight = (point + 3) / 4 - 1;
  plain.append((4 - plain.size() % 4) % 4, '0');
  std::vector<std::int16_t> groups;
  for (std::size_t i = 0; i < plain.size(); i += 4) {
    groups.push_back(static_cast<std::int16_t>((plain[i] - '0') * 1000 +
                                               (plain[i + 1] - '0') * 100 +
                                               (plain[i + 2] - '0') * 10 + (plain[i + 3] - '0')));
  }
  std::size_t first = 0;
  while (first < groups.size() && groups[first] == 0) {
    ++first;
    --weight;
  }
  while (groups.size() > first && groups.back() == 0) groups.pop_back();
  const auto count = groups.size() - first;
  append_int16(out, static_cast<std::int16_t>(count));
  append_int16(out, count == 0 ? std::int16_t{0} : static_cast<std::int16_t>(weight));
  append_int16(out, negative && count > 0 ? kNegative : kPositive);
  append_int16(out, static_cast<std::int16_t>(decimals));
  for (auto i = first; i < groups.size(); ++i) append_int16(out, groups[i]);
}

// array_recv: dimensions, has-NULL flag, element type, then length and lower bound of the
// dimension.
void append_text_array(std::string& out, const std::vector<std::string>& values) {
  append_int32(out, values.empty() ? 0 : 1);
  append_int32(out, 0);
  append_int32(out, static_cast<std::int32_t>(kTextOid));
  if (values.empty()) return;
  append_int32(out, static_cast<std::int32_t>(values.size()));
  append_int32(out, 1);
  for (const auto& value : values) append_field(out, value);
}

// halfvec_recv: dimensions, an unused int16, the values.
void append_halfvec(std::string& out, std::span<const float> values) {
  constexpr std::size_t kMaxDimensions = 16'000;
  if (values.empty() || values.size() > kMaxDimensions) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("an embedding has {} dimensions, expected 1 to {}", values.size(),
                            kMaxDimensions));
  }
  append_int16(out, static_cast<std::int16_t>(values.size()));
  append_int16(out, 0);
  for (const float value : values) {
    const std::uint16_t half = to_half(value);
    if ((half & 0x7C00) == 0x7C00) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("an embedding holds {}, expected finite values up to 65504", value));
    }
    append_int16(out, static_cast<std::int16_t>(half));
  }
}

std::uint16_t to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  const std::uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return sign | 0x7E00;   // NaN
  if (magnitude >= 0x47800000) return sign | 0x7C00;  // 65536 and above
  // The mantissa with its leading one, and how many bits of it half precision has no room for.
  std::uint32_t mantissa, dropped;
  std::uint32_t exponent = magnitude >> 23;
  if (exponent >= 113) {  // a normal half: 2^-14 and above
    mantissa = magnitude - (112u << 23);
    dropped = 13;
  } else if (exponent >= 102) {  // a subnormal half, or what rounds to the smallest one
    mantissa = (magnitude & 0x7FFFFF) | 0x800000;
    dropped = 126 - exponent;
  } else {
    return sign;
  }
  const std::uint32_t kept = mantissa >> dropped;
  const std::uint32_t rest = mantissa & ((1u << dropped) - 1);
  const std::uint32_t half = 1u << (dropped - 1);
  // A carry out of the mantissa runs into the exponent, as it should; 65520 becomes infinity so.
  const bool up = rest > half || (rest == half && (kept & 1) != 0);
  return static_cast<std::uint16_t>(sign | (kept + (up ? 1 : 0)));
}

float from_half(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t exponent = half >> 10 & 0x1F;
  const std::uint32_t mantissa = half & 0x3FF;
  if (exponent == 0) {  // zero and subnormals: a multiple of 2^-24
    const float value = static_cast<float>(mantissa) * 0x1p-24F;
    return sign == 0 ? value : -value;
  }
  const std::uint32_t wide = exponent == 0x1F ? 0xFF : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

bool read_halfvec(std::string_view bytes, std::vector<float>& values) {
  const auto at = [&](std::size_t i) {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[i]) << 8 |
                                      static_cast<unsigned char>(bytes[i + 1]));
  };
  if (bytes.size() < 4 || bytes.size() != 4 + 2 * std::size_t{at(0)}) return false;
  for (std::size_t i = 4; i < bytes.size(); i += 2) values.push_back(from_half(at(i)));
  return true;
}

}  // namespace pgmmr
