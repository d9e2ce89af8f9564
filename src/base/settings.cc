#include "base/settings.h"

#include <unistd.h>

#include <cstdlib>

#include "base/error.h"

namespace pgmmr {

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::filesystem::path data_dir() {
  if (auto dir = environment("PGMMR_DATA_DIR")) return *dir;
  if (geteuid() == 0) return "/var/lib/pgmmr";
  if (auto dir = environment("XDG_DATA_HOME")) return std::filesystem::path(*dir) / "pgmmr";
  if (auto home = environment("HOME")) return std::filesystem::path(*home) / ".local/share/pgmmr";
  throw Error(ErrorKind::kInvalidArgument,
              "finding the data folder: none of PGMMR_DATA_DIR, XDG_DATA_HOME and HOME is set");
}

std::filesystem::path resource_dir() {
  if (auto dir = environment("PGMMR_RESOURCE_DIR")) return *dir;
  std::error_code code;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", code);
  const auto installed = program.parent_path().parent_path() / "share/pgmmr";
  if (!code && std::filesystem::exists(installed / "models/demo")) return installed;
  for (auto dir = program.parent_path(); dir.has_relative_path(); dir = dir.parent_path()) {
    if (std::filesystem::exists(dir / "models/demo")) return dir;
  }
  throw Error(ErrorKind::kNotFound, "finding the program's data: no folder models/demo above " +
                                        program.string() + "; set PGMMR_RESOURCE_DIR");
}

std::string default_model() {
  return environment("PGMMR_MODEL").value_or("openai/clip-vit-base-patch32");
}

}  // namespace pgmmr
