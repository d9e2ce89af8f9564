// Every type is read back from a real server, whose text form is the expected value.
#include "store/binary_format.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "store/connection.h"
#include "support/database.h"

namespace pgmmr {
namespace {

struct Case {
  CellType type;
  const char* name;
  CellValue value;
  const char* expected;
};

TEST(BinaryFormat, TheServerReadsEveryTypeAsItWasMeant) {
  const test::TemporaryDatabase database(test::TemporaryDatabase::Setup::kEmpty);
  Connection connection = database.connect();
  connection.run_script("SET timezone = 'UTC'; SET datestyle = 'ISO'; SET bytea_output = 'hex'");
  using Strings = std::vector<std::string>;
  const Case cases[] = {
      {CellType::kBoolean, "boolean", true, "t"},
      {CellType::kSmallint, "smallint", std::int64_t{-32768}, "-32768"},
      {CellType::kInteger, "integer", std::int64_t{2147483647}, "2147483647"},
      {CellType::kBigint, "bigint", std::numeric_limits<std::int64_t>::min(),
       "-9223372036854775808"},
      {CellType::kReal, "real", 1.5, "1.5"},
      {CellType::kDouble, "double precision", 0.1, "0.1"},
      {CellType::kDouble, "double precision", -INFINITY, "-Infinity"},
      {CellType::kNumeric, "numeric", std::string("0"), "0"},
      {CellType::kNumeric, "numeric", std::string("-0.00"), "0.00"},
      {CellType::kNumeric, "numeric", std::string("12345678901234567890.12345"),
       "12345678901234567890.12345"},
      {CellType::kNumeric, "numeric", std::string("-0.000012"), "-0.000012"},
      {CellType::kNumeric, "numeric", std::string("10000"), "10000"},
      {CellType::kNumeric, "numeric", std::string("100000000.5"), "100000000.5"},
      {CellType::kNumeric, "numeric", std::string("1.5e5"), "150000"},
      {CellType::kNumeric, "numeric", std::string("25e-6"), "0.000025"},
      {CellType::kNumeric, "numeric", std::string("NaN"), "NaN"},
      {CellType::kText, "text", std::string("Grüße, 红"), "Grüße, 红"},
      {CellType::kDate, "date", std::int64_t{0}, "1970-01-01"},
      {CellType::kDate, "date", std::int64_t{-1}, "1969-12-31"},
      {CellType::kTimestamp, "timestamp", std::int64_t{1'000'000'000'123'456},
       "2001-09-09 01:46:40.123456"},
      {CellType::kTimestampTz, "timestamptz", std::int64_t{0}, "1970-01-01 00:00:00+00"},
      {CellType::kBytea, "bytea", std::string("\0\xff", 2), "\\x00ff"},
      {CellType::kTextArray, "text[]", Strings{}, "{}"},
      {CellType::kTextArray, "text[]", Strings{"a", "", "b,\"c\""}, R"({a,"","b,\"c\""})"},
      {CellType::kJsonb, "jsonb", std::string(R"({"b":[1,2],"a":null})"),
       R"({"a": null, "b": [1, 2]})"},
  };
  for (const auto& one : cases) {
    std::string field;
    append_cell(field, one.type, one.value);
    const Param param{field.substr(4), 0, true};
    const Result read = connection.execute(std::string("SELECT $1::") + one.name, {param});
    EXPECT_EQ(read.text(0, 0), one.expected) << one.name;
    EXPECT_EQ(cell_type(one.name), one.type);
  }
}

TEST(BinaryFormat, RefusesWhatDoesNotFit) {
  std::string out;
  EXPECT_THROW(append_cell(out, CellType::kSmallint, std::int64_t{32768}), Error);
  EXPECT_THROW(append_cell(out, CellType::kInteger, std::int64_t{1} << 31), Error);
  EXPECT_THROW(append_cell(out, CellType::kReal, 1e39), Error);
  EXPECT_THROW(append_cell(out, CellType::kBoolean, std::string("t")), Error);
  for (const char* bad : {"", "-", ".", "1x", "1e", "1e999999999999", "0x10", "1.2.3"}) {
    EXPECT_THROW(append_cell(out, CellType::kNumeric, std::string(bad)), Error) << bad;
  }
  EXPECT_THROW(append_cell(out, CellType::kDate, std::numeric_limits<std::int64_t>::min()), Error);
  EXPECT_THROW(cell_type("point"), Error);
  for (const float bad : {65520.0F, -70000.0F, INFINITY, NAN}) {
    EXPECT_THROW(append_halfvec(out, std::vector<float>{bad}), Error);
  }
  EXPECT_THROW(append_halfvec(out, {}), Error);
}

// IEEE 754: a half's value is (1 + m/1024) * 2^(e-15), or m/1024 * 2^-14.
float value_of(std::uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  const float magnitude = exponent == 0
                              ? std::ldexp(static_cast<float>(mantissa), -24)
                              : std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(BinaryFormat, RoundsToTheNearestHalfAndTiesToEven) {
  for (std::uint32_t bits = 0; bits < 0x7BFF; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const auto above = static_cast<std::uint16_t>(bits + 1);
    const float low = value_of(half), high = value_of(above);
    const float middle = (low + high) / 2;  // exact in a float
    ASSERT_EQ(to_half(low), half);
    ASSERT_EQ(to_half(-low), half | 0x8000);
    ASSERT_EQ(to_half(middle), bits % 2 == 0 ? half : above) << low;
    ASSERT_EQ(to_half(std::nextafter(middle, low)), half) << low;
    ASSERT_EQ(to_half(std::nextafter(middle, high)), above) << low;
  }
  EXPECT_EQ(to_half(65519.99F), 0x7BFF);
  EXPECT_EQ(to_half(65520.0F), 0x7C00);
}

TEST(BinaryFormat, ReadsEveryHalf) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    if ((half & 0x7C00) == 0x7C00) {
      ASSERT_EQ(std::isinf(from_half(half)), (half & 0x3FF) == 0);
      ASSERT_FALSE(std::isfinite(from_half(half)));
    } else {
      ASSERT_EQ(from_half(half), value_of(half));
    }
  }
}

TEST(BinaryFormat, ReadsEmbeddingsTheServerSends) {
  const test::TemporaryDatabase database;
  Connection connection = database.connect();
  const std::string bytes =
      connection.execute("SELECT halfvec_send('[1,-0.5,0.333,0,65504,6e-8]'::halfvec)").bytes(0, 0);
  std::vector<float> values;
  ASSERT_TRUE(read_halfvec(bytes, values));
  EXPECT_EQ(values, (std::vector<float>{1, -0.5F, 0.33300781F, 0, 65504, 5.9604645e-8F}));
  EXPECT_FALSE(read_halfvec(bytes.substr(0, 15), values));
  EXPECT_FALSE(read_halfvec("", values));
  EXPECT_EQ(values.size(), 6U);
}

}  // namespace
}  // namespace pgmmr
