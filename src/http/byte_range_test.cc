#include "http/byte_range.h"

#include <gtest/gtest.h>

namespace pgmmr {
namespace {

using Kind = ByteRange::Kind;

void expect(const char* header, std::uint64_t size, Kind kind, std::uint64_t offset = 0,
            std::uint64_t length = 0) {
  const ByteRange range = read_range(header, size);
  EXPECT_EQ(range.kind, kind) << header;
  EXPECT_EQ(range.offset, offset) << header;
  EXPECT_EQ(range.length, length) << header;
}

// RFC 9110, 14.1.2: a representation of 10,000 bytes.
TEST(ByteRange, KnowsTheRfcsExamples) {
  expect("bytes=0-499", 10'000, Kind::kPart, 0, 500);
  expect("bytes=500-999", 10'000, Kind::kPart, 500, 500);
  expect("bytes=-500", 10'000, Kind::kPart, 9'500, 500);
  expect("bytes=9500-", 10'000, Kind::kPart, 9'500, 500);
  expect("bytes=0-0", 10'000, Kind::kPart, 0, 1);
  expect("bytes=-1", 10'000, Kind::kPart, 9'999, 1);
}

TEST(ByteRange, IsCutToThePicture) {
  expect("bytes=5-999", 10, Kind::kPart, 5, 5);
  expect("bytes=-999", 10, Kind::kPart, 0, 10);
}

TEST(ByteRange, OutsideIsToldApartFromNonsense) {
  expect("bytes=10-", 10, Kind::kOutside);
  expect("bytes=-0", 10, Kind::kOutside);
  expect("bytes=0-", 0, Kind::kOutside);
  for (const char* header :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "items=0-1", "bytes=0-1,3-4",
        "bytes=0-1-2", "bytes=99999999999999999999-", "bytes= 0-1", "bytes=0x1-2"}) {
    expect(header, 10, Kind::kWhole);
  }
}

}  // namespace
}  // namespace pgmmr
