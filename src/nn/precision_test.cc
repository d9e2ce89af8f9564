#include "nn/precision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "nn/cpu.h"
#include "support/places.h"

namespace pgmmr {
namespace {

TEST(Precision, HasTheNamesOfTheOption) {
  for (const char* name : {"auto", "f32", "bf16", "int8"}) {
    EXPECT_EQ(name_of(parse_precision(name)), name);
  }
  EXPECT_THROW(parse_precision("fp16"), Error);
  EXPECT_THROW(parse_precision(""), Error);
}

TEST(Precision, OfAutoIsUsableAndF32AlwaysIs) {
  EXPECT_EQ(usable_precision(Precision::kF32), Precision::kF32);
  const Precision chosen = usable_precision(Precision::kAuto);
  EXPECT_EQ(chosen, cpu().bf16 ? Precision::kBf16 : Precision::kF32);
}

// A limit is settled by the first question a process asks, so each one is a process of its own:
// this program, which then runs the kernels' tests as if the CPU had no more.
class Limited : public testing::TestWithParam<const char*> {};

TEST_P(Limited, KernelsPassAndKeepToTheLimit) {
  if (std::getenv("ONEDNN_MAX_CPU_ISA") != nullptr) GTEST_SKIP() << "is limited already";
  const auto program = std::filesystem::read_symlink("/proc/self/exe").string();
  const auto finished =
      test::run({program, "--gtest_filter=*Linear*:Attention*:LayerNorm*:Precision*"},
                {std::string("ONEDNN_MAX_CPU_ISA=") + GetParam()});
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  EXPECT_THAT(finished.out, testing::HasSubstr("[  PASSED  ]"));
}

INSTANTIATE_TEST_SUITE_P(Instructions, Limited,
                         testing::Values("AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI",
                                         "AVX512_CORE_BF16", "AVX512_CORE_AMX"),
                         [](const auto& limit) { return std::string(limit.param); });

// As AVX2 is what the limit leaves, the message must say so.
TEST(Precision, IsRefusedWhereTheCpuLacksIt) {
  if (const char* limit = std::getenv("ONEDNN_MAX_CPU_ISA");
      limit == nullptr || std::string(limit) != "AVX2") {
    GTEST_SKIP() << "runs within Instructions/Limited with AVX2";
  }
  EXPECT_EQ(usable_precision(Precision::kAuto), Precision::kF32);
  for (const Precision precision : {Precision::kBf16, Precision::kInt8}) {
    try {
      usable_precision(precision);
      ADD_FAILURE() << "not refused: " << name_of(precision);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
      EXPECT_THAT(error.what(), testing::HasSubstr(std::string(name_of(precision))));
      EXPECT_THAT(error.what(), testing::HasSubstr("this CPU lacks"));
    }
  }
}

}  // namespace
}  // namespace pgmmr
