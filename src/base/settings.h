// Where things are: flag, then environment, then default. Only what more than one layer asks for.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace pgmmr {

// The environment variable's value; nothing where unset or empty.
std::optional<std::string> environment(const char* name);

// $PGMMR_DATA_DIR; as root /var/lib/pgmmr, else $XDG_DATA_HOME/pgmmr or ~/.local/share/pgmmr. Not
// created here.
std::filesystem::path data_dir();

// Where the program's own data files lie (models/demo, demo/): the repository the program was built
// in, or
// ../share/pgmmr beside an installed one. $PGMMR_RESOURCE_DIR overrides.
std::filesystem::path resource_dir();

// $PGMMR_MODEL, else "openai/clip-vit-base-patch32".
std::string default_model();

}  // namespace pgmmr
