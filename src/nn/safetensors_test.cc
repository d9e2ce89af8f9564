#include "nn/safetensors.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "support/places.h"

namespace pgmmr {
namespace {

std::string file_of(const std::string& header, std::size_t data_bytes) {
  std::string bytes(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(bytes.data(), &size, 8);
  bytes += header;
  for (std::size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i);
  return bytes;
}

std::string refusal(const std::string& bytes) {
  try {
    parse_safetensors(bytes, "x.safetensors");
    return "";
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("x.safetensors: ")) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
}

TEST(Safetensors, ReadsTensorsOfEveryOrderAndAlignment) {
  const std::string bytes = file_of(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[1,9]},)"
      R"("a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
      R"("empty":{"dtype":"F16","shape":[0,3],"data_offsets":[9,9]}})",
      9);
  const TensorMap tensors = parse_safetensors(bytes, "x.safetensors");
  ASSERT_EQ(tensors.size(), 3u);
  const Tensor& b = tensors.at("b");
  EXPECT_EQ(shape_text(b.shape), "[1, 2]");
  EXPECT_TRUE(b.is_floating());
  EXPECT_FALSE(tensors.at("a").is_floating());
  EXPECT_EQ(tensors.at("a").count(), 1u);
  EXPECT_EQ(tensors.at("empty").count(), 0u);
  std::array<float, 2> values{};
  copy_floats(b, 0, 2, values.data());
  EXPECT_EQ(std::bit_cast<std::uint32_t>(values[0]), 0x04030201u);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(values[1]), 0x08070605u);
}

// IEEE 754: the values of half-precision patterns, worked out by hand.
TEST(Safetensors, WidensHalvesExactly) {
  const std::array<std::pair<std::uint16_t, float>, 10> halves = {{{0x0000, 0.0f},
                                                                   {0x3C00, 1.0f},
                                                                   {0xC000, -2.0f},
                                                                   {0x3555, 0.333251953125f},
                                                                   {0x7BFF, 65504.0f},
                                                                   {0x0001, 0x1p-24f},
                                                                   {0x03FF, 0x1.ff8p-15f},
                                                                   {0x0400, 0x1p-14f},
                                                                   {0x7C00, INFINITY},
                                                                   {0xFC00, -INFINITY}}};
  for (const auto& [pattern, want] : halves) {
    Tensor tensor{.type = DataType::kF16,
                  .type_name = "F16",
                  .shape = {1},
                  .bytes = {reinterpret_cast<const char*>(&pattern), 2}};
    float value = 0;
    copy_floats(tensor, 0, 1, &value);
    EXPECT_EQ(value, want) << std::hex << pattern;
  }
  const std::uint16_t nan = 0x7E00, minus_zero = 0x8000, brain = 0x4049;
  float value = 0;
  copy_floats({DataType::kF16, "F16", {1}, {reinterpret_cast<const char*>(&nan), 2}}, 0, 1, &value);
  EXPECT_TRUE(std::isnan(value));
  copy_floats({DataType::kF16, "F16", {1}, {reinterpret_cast<const char*>(&minus_zero), 2}}, 0, 1,
              &value);
  EXPECT_TRUE(std::signbit(value));
  copy_floats({DataType::kBF16, "BF16", {1}, {reinterpret_cast<const char*>(&brain), 2}}, 0, 1,
              &value);
  EXPECT_EQ(value, 3.140625f);
}

TEST(Safetensors, RefusesWhatTheFormatForbidsAndNamesTheTensor) {
  const std::string a = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  EXPECT_EQ(refusal(file_of(a, 4)), "");
  const std::tuple<std::string, std::size_t, const char*> cases[] = {
      {a, 3, "\"a\": its data [0, 4] lie outside"},
      {a, 5, "1 bytes after the last tensor"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4,
       "\"a\": data_offsets [4, 0] begin after"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4, "\"a\""},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0.0,4]}})", 4, "\"a\""},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551616]}})", 4, "\"a\""},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})", 4, "3 values"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "needs 8 bytes"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "overflows"},
      {R"({"a":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,4]}})", 4,
       "overflows"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "\"a\""},
      {R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, "\"F31\""},
      {R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4, "\"dtype\" is missing"},
      {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "\"shape\" is missing"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "\"data_offsets\" are missing"},
      {R"({"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})", 4, "twice"},
      {R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "\"a\""},
      {R"({"a":{"dtype":"F32","shape":{"x":1},"data_offsets":[0,4]}})", 4, "\"a\""},
      {R"({"a":{"dtype":null,"shape":[1],"data_offsets":[0,4]}})", 4, "null"},
      {R"({"a":7})", 0, "\"a\""},
      {R"({"a":[1]})", 0, "\"a\""},
      {R"({"__metadata__":{"x":{"y":"z"}}})", 0, "__metadata__"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       2, "\"a\" occurs twice"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3, "\"a\" and \"b\" overlap"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
       3, "1 unused bytes before tensor \"b\""},
      {"[]", 0, "must be a JSON object"},
      {"", 0, "must be a JSON object"},
      {"{\"a\":", 0, "not valid JSON"},
      {"{} {}", 0, "not valid JSON"},
      {"{\"\xFF\":1}", 0, "not valid JSON"},
  };
  for (const auto& [header, data, says] : cases) {
    const std::string what = refusal(file_of(header, data));
    EXPECT_NE(what.find(says), std::string::npos) << header << "\n  gives: " << what;
  }
}

TEST(Safetensors, RefusesFilesThatAreSomethingElse) {
  EXPECT_NE(refusal("").find("is empty"), std::string::npos);
  EXPECT_NE(refusal("1234567").find("too short"), std::string::npos);
  EXPECT_NE(refusal("version https://git-lfs.github.com/spec/v1\n").find("Git LFS"),
            std::string::npos);
  EXPECT_NE(refusal("PK\x03\x04zipped pickle").find("PyTorch"), std::string::npos);
  EXPECT_NE(refusal("\x80\x02}q.........").find("PyTorch"), std::string::npos);
  EXPECT_NE(refusal(std::string(8, '\xFF') + "{}").find("does not fit"), std::string::npos);
  EXPECT_NE(refusal("<!DOCTYPE html><html></html>").find("does not fit"), std::string::npos);
}

TEST(Safetensors, SurvivesDeepNesting) {
  const std::string deep(1'000'000, '[');
  EXPECT_NE(refusal(file_of("{\"a\":" + deep, 0)), "");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_NE(refusal(file_of(objects, 0)), "");
}

TEST(Safetensors, OpensAFileAndNamesWhatIsNotOne) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  EXPECT_THROW(Safetensors{path}, Error);
  EXPECT_THROW(Safetensors{folder.path()}, Error);
  write_file(path, file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  Safetensors file(path);
  const Safetensors moved = std::move(file);
  EXPECT_EQ(moved.tensors().at("a").bytes, std::string_view("\0\1", 2));
  moved.release();
  EXPECT_EQ(moved.tensors().at("a").bytes, std::string_view("\0\1", 2));
}

}  // namespace
}  // namespace pgmmr
