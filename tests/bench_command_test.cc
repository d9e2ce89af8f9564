// pgmmr bench, as somebody runs it: figures for each precision that this CPU has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/places.h"

namespace pgmmr {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

test::Finished bench(std::vector<std::string> arguments,
                     const std::vector<std::string>& environment = {}) {
  arguments.insert(arguments.begin(),
                   {test::program(), "bench", "--model",
                    (test::source_dir() / "models/demo").string(), "--seconds", "0.3"});
  return test::run(arguments, environment);
}

TEST(BenchCommand, MeasuresDecodingAndEncoding) {
  const auto finished = bench({"--format", "json", "--precision", "f32"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const auto figures = nlohmann::json::parse(finished.out);
  ASSERT_EQ(figures.at("encode").size(), 1);
  const auto& encode = figures.at("encode")[0];
  EXPECT_EQ(encode.at("precision"), "f32");
  EXPECT_GT(encode.at("pictures_per_second").at("one").get<double>(), 0);
  EXPECT_GT(encode.at("text_ms").get<double>(), 0);
  for (const auto& decode : figures.at("decode")) {
    EXPECT_GT(decode.at("exact_per_second").at("one").get<double>(), 0) << decode;
  }
}

TEST(BenchCommand, LeavesOutWhatTheCpuLacksUnlessItWasAskedFor) {
  const std::vector<std::string> limited = {"ONEDNN_MAX_CPU_ISA=AVX2"};
  const auto all = bench({}, limited);
  ASSERT_EQ(all.exit_code, 0) << all.err;
  EXPECT_THAT(all.out, AllOf(HasSubstr("f32"), Not(HasSubstr("int8"))));
  const auto asked = bench({"--precision", "int8"}, limited);
  EXPECT_EQ(asked.exit_code, 1);
  EXPECT_THAT(asked.err, HasSubstr("VNNI"));
}

}  // namespace
}  // namespace pgmmr
