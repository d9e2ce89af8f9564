// What the encoder keeps for later processes goes to a folder of this test program's own.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "support/places.h"

namespace pgmmr {
namespace {

class DataFolder : public testing::Environment {
 public:
  void SetUp() override {
    folder_ = std::make_unique<test::TemporaryFolder>();
    setenv("PGMMR_DATA_DIR", folder_->path().c_str(), 1);
  }
  void TearDown() override { folder_.reset(); }

 private:
  std::unique_ptr<test::TemporaryFolder> folder_;
};

[[maybe_unused]] const auto* const kFolder = testing::AddGlobalTestEnvironment(new DataFolder);

}  // namespace
}  // namespace pgmmr
