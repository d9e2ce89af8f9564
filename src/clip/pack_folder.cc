#include "clip/pack_folder.h"

#include <fmt/format.h>

#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/settings.h"
#include "clip/fingerprint.h"
#include "nn/cpu.h"

namespace pgmmr {
namespace {

// Counts what the towers ask for, in which order, and how our own kernels lay it out.
constexpr int kLayout = 9;

}  // namespace

PackFolder::PackFolder(const std::optional<std::filesystem::path>& folder,
                       const std::string& fingerprint, const std::string& tower,
                       Precision precision)
    : key_(fmt::format("{}\n{}\n{}\n{}{}\nlayout {}\n{}\n", fingerprint, tower, name_of(precision),
                       cpu().isa, cpu().f16c ? " with F16C" : "", kLayout, kernel_library())) {
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
    const std::string identity = file_identity(file_);
    if (identity == checked_identity()) return WeightPack(file_, key_, WeightPack::Check::kHead);
    WeightPack pack(file_, key_, WeightPack::Check::kAll);
    try {
      write_file(stamp(), identity);
    } catch (const Error&) {
      // Then it is checked again each time.
    }
    return pack;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::filesystem::path PackFolder::stamp() const { return file_.string() + ".checked"; }

std::string PackFolder::checked_identity() const {
  try {
    return read_file(stamp(), 64 << 10);
  } catch (const Error&) {
    return "";
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
