#include "app/model_source.h"

#include <system_error>

#include "base/error.h"
#include "base/settings.h"

namespace pgmmr {
namespace {

// A name that can only be a path: hub ids are OWNER/NAME.
bool looks_like_path(const std::string& model) {
  return model.starts_with('/') || model.starts_with('.') || model.starts_with('~') ||
         model.ends_with('/');
}

}  // namespace

ModelSource find_model(const std::string& model) {
  if (model.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                "finding the model: its name is empty, expected a hub id, a folder or \"demo\"");
  }
  std::error_code code;
  if (std::filesystem::is_directory(model, code)) return {model, model, ""};
  if (model == "demo") return {resource_dir() / "models/demo", model, ""};
  if (looks_like_path(model)) {
    throw Error(ErrorKind::kNotFound, "finding the model: no folder " + model);
  }
  throw Error(ErrorKind::kUnsupported, "finding the model " + model +
                                           ": downloading from the hub is not built in yet; name "
                                           "a folder or \"demo\"");
}

std::unique_ptr<Encoder> load_model(const std::string& model) {
  const ModelSource source = find_model(model);
  return load_encoder(source.folder, source.id, source.revision);
}

}  // namespace pgmmr
