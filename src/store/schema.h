// Schema pgmmr: numbered SQL files, applied in order under an advisory lock: once, or where they
// say that they are repeatable, again when they have changed.
#pragma once

#include "store/connection.h"

namespace pgmmr {

// Brings the database to this program's version. Cheap where there is nothing to do.
//   throws  Error{kUnsupported} for a schema newer than this program or made by another one, or
//   pgvector missing or older than 0.8
void migrate(Connection& connection);

// Takes schema pgmmr away, for a restore that brings its own.
//   throws  Error{kConflict} where there are collections
void drop_empty_schema(Connection& connection);

}  // namespace pgmmr
