// openapi.json, compiled in.
#pragma once

#include <memory>
#include <string>

namespace pgmmr {

std::shared_ptr<const std::string> openapi_document();

}  // namespace pgmmr
