// Values to PostgreSQL's binary wire format: what COPY … (FORMAT binary) and binary parameters
// carry; and embeddings back from it.
//
// The formats are those of the server's *_recv functions (src/backend/utils/adt, pgvector's
// src/halfvec.c); integers are big-endian. Proven by reading every type back from a server.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pgmmr {

// What a cell of a dataset holds; nothing is NULL. Which alternative belongs to which type stands
// at CellType.
using CellValue =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::string>>;

enum class CellType {
  kBoolean,      // bool
  kSmallint,     // int64, refused outside the type's range, as in the next two
  kInteger,      // int64
  kBigint,       // int64
  kReal,         // double or int64
  kDouble,       // double or int64
  kNumeric,      // string of decimal digits, int64, or double
  kText,         // string, UTF-8
  kDate,         // int64, days since 1970-01-01
  kTimestamp,    // int64, microseconds since 1970-01-01 00:00
  kTimestampTz,  // int64, microseconds since 1970-01-01 00:00 UTC
  kBytea,        // string
  kTextArray,    // vector of strings
  kJsonb,        // string, JSON
};

// PostgreSQL's name of a type, in the long or the short form ("integer", "int4").
//   throws  Error{kInvalidArgument} for a type that collections don't hold
CellType cell_type(std::string_view name);

// A field of COPY: its length (-1 for NULL) and its bytes.
//   throws  Error{kInvalidArgument} where the value does not fit the type
void append_cell(std::string& out, CellType type, const CellValue& value);

void append_int16(std::string& out, std::int16_t value);
void append_int32(std::string& out, std::int32_t value);
void append_int64(std::string& out, std::int64_t value);

// The bytes of a text as a field, with its length.
void append_field(std::string& out, std::string_view bytes);
void append_null(std::string& out);

// The rest append the value alone, without its length.
void append_numeric(std::string& out, std::string_view digits);
void append_text_array(std::string& out, const std::vector<std::string>& values);

//   throws  Error{kInvalidArgument} for a value that is not finite or beyond 65504
void append_halfvec(std::string& out, std::span<const float> values);

// IEEE 754 binary32 to binary16, to nearest, ties to even. Overflow gives infinity, NaN stays NaN.
std::uint16_t to_half(float value);

// The other way, which is exact.
float from_half(std::uint16_t half);

// Appends the values of a halfvec's binary form; false, and nothing appended, where it is none.
bool read_halfvec(std::string_view bytes, std::vector<float>& values);

}  // namespace pgmmr
