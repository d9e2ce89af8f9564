#include "app/progress.h"

#include <gtest/gtest.h>

namespace pgmmr {
namespace {

TEST(ProgressLine, SaysShareRateTimeLeftAndRejects) {
  EXPECT_EQ(progress_line(1230, 3000, 2, 10, 200),
            "[#########---------------]  41 %  1,230/3,000 pictures  123.0/s  14 s left  2 "
            "rejects");
  EXPECT_EQ(progress_line(3000, 3000, 1, 10, 200),
            "[########################] 100 %  3,000/3,000 pictures  300.0/s  1 reject");
}

TEST(ProgressLine, SaysNoShareBeforeTheSourceIsKnown) {
  EXPECT_EQ(progress_line(0, 0, 0, 0, 200), "0 pictures");
  EXPECT_EQ(progress_line(40, 0, 0, 4, 200), "40 pictures  10.0/s");
}

TEST(ProgressLine, NeverPassesTheTerminalsEdgeOrTheWhole) {
  EXPECT_EQ(progress_line(1230, 3000, 2, 10, 20).size(), 20U);
  EXPECT_EQ(progress_line(12, 10, 0, 1, 200).substr(0, 34), "[########################] 100 %  ");
}

TEST(Grouped, SetsACommaEveryThreeDigits) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(-1000), "-1,000");
  EXPECT_EQ(grouped(-100), "-100");
  EXPECT_EQ(grouped(1234567), "1,234,567");
}

}  // namespace
}  // namespace pgmmr
