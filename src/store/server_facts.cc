#include "store/server_facts.h"

namespace pgmmr {
namespace {

constexpr const char* kFacts = R"(
  SELECT current_setting('server_version'), current_database(), current_user,
         has_database_privilege(current_database(), 'CREATE'),
         coalesce((SELECT extversion FROM pg_extension WHERE extname = 'vector'),
                  (SELECT default_version FROM pg_available_extensions WHERE name = 'vector'), ''))";

}  // namespace

ServerFacts ask_server(Connection& connection) {
  const Result result = connection.execute(kFacts);
  return {std::string(result.text(0, 0)), std::string(result.text(0, 1)),
          std::string(result.text(0, 2)), result.text(0, 3) == "t", std::string(result.text(0, 4))};
}

}  // namespace pgmmr
