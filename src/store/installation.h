// A PostgreSQL server installed on this machine, with pgvector: where its programs are.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pgmmr {

struct Installation {
  std::filesystem::path bin;     // holds postgres, initdb, pg_dump …
  std::string version;           // "15.18"
  int major = 0;                 // 15
  std::string pgvector_version;  // "0.8.0"; empty where pgvector is missing
};

// Those found under $PGMMR_POSTGRES_BIN (that one alone, where set), the usual places of
// distributions, and by pg_config on PATH; newest first.
std::vector<Installation> find_installations();

// The newest with pgvector; of this major version, where one is named.
//   throws  Error{kUnavailable} that says what is there and what is missing
Installation choose_installation(std::optional<int> major = std::nullopt);

}  // namespace pgmmr
