// A value as text: for people, and for digests.
#pragma once

#include <string>

#include "dataset/dataset.h"

namespace pgmmr {

std::string value_text(const Value& value);      // lists joined by line ends; empty for NULL
std::string value_identity(const Value& value);  // differs wherever values differ

}  // namespace pgmmr
