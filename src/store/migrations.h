// The numbered SQL files of src/store/migrations, embedded in the program by the build.
#pragma once

#include <span>
#include <string_view>

namespace pgmmr {

struct Migration {
  int number;
  std::string_view name;  // "001_catalogue"
  std::string_view sql;

  // Holds functions alone, and may run again where an earlier version of it has run.
  bool is_repeatable() const { return sql.starts_with("-- Repeatable"); }
};

// In order of their numbers, which run from 1 without gaps.
std::span<const Migration> migrations();

}  // namespace pgmmr
