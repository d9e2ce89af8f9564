#include "clip/pack_folder.h"

#include <fmt/format.h>

#include <system_error>

#include "base/error.h"
#include "base/settings.h"
#include "nn/cpu.h"

namespace pgmmr {
namespace {

// Counts what the towers ask for, in which order, and how our own kernels lay it out.
constexpr int kLayout = 1;

}  // namespace

PackFolder::PackFolder(const std::optional<std::filesystem::path>& folder,
                       const std::string& fingerprint, const std::string& tower,
                       Precision precision)
    : key_(fmt::format("{}\n{}\n{}\n{}\nlayout {}\n{}\n", fingerprint, tower, name_of(precision),
                       cpu().isa, kLayout, kernel_library())) {
  try {
    file_ = (folder ? *folder : data_dir() / "weights") /
            fmt::format("{}-{}-{}-{}.pack", fingerprint.substr(0, 16), tower, name_of(precision),
                        cpu().isa);
  } catch (const Error&) {
    // No home for data: nothing is kept.
  }
}

std::optional<WeightPack> PackFolder::find() const {
  if (file_.empty()) return std::nullopt;
  try {
    return WeightPack(file_, key_);
  } catch (const Error&) {
    return std::nullopt;
  }
}

void PackFolder::keep(const WeightPack& pack) const {
  if (file_.empty()) return;
  try {
    std::error_code code;
    std::filesystem::create_directories(file_.parent_path(), code);
    pack.save(file_, key_);
  } catch (const Error&) {
    // A full or read-only disk costs later processes time, not the answer.
  }
}

}  // namespace pgmmr
