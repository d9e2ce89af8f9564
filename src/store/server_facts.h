// What somebody wants to know of a server before relying on it.
#pragma once

#include <string>

#include "store/connection.h"

namespace pgmmr {

struct ServerFacts {
  std::string version, database, user;
  bool may_create = false;       // schemas in that database
  std::string pgvector_version;  // of the extension, else of what could be installed; else empty
};

//   throws  as Connection::execute
ServerFacts ask_server(Connection& connection);

}  // namespace pgmmr
