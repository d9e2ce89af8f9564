// pgmmr: the commands, and what an error means to the shell.
#include <fmt/core.h>

#include <csignal>
#include <cstdio>

#include "app/command.h"
#include "base/error.h"

int main(int argc, char** argv) {
  CLI::App app("Picture search on PostgreSQL: CLIP embeddings, pgvector, hybrid ranking.", "pgmmr");
  app.require_subcommand(1);
  app.set_version_flag("--version", PGMMR_VERSION);
  int exit_code = pgmmr::kExitDone;
  pgmmr::add_bench_command(app, exit_code);
  pgmmr::add_collection_commands(app, exit_code);
  pgmmr::add_db_command(app, exit_code);
  pgmmr::add_doctor_command(app, exit_code);
  pgmmr::add_embed_command(app, exit_code);
  pgmmr::add_eval_command(app, exit_code);
  pgmmr::add_export_command(app, exit_code);
  pgmmr::add_ingest_command(app, exit_code);
  pgmmr::add_model_command(app, exit_code);
  pgmmr::add_search_command(app, exit_code);
  pgmmr::add_serve_command(app, exit_code);
  pgmmr::add_tokenize_command(app, exit_code);
  std::signal(SIGPIPE, SIG_IGN);
  pgmmr::interrupted();
  const auto is_asked = [&](const CLI::App* command) { return command->get_name() == argv[1]; };
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(is_asked).empty()) {
    fmt::print(stderr, "pgmmr: no command \"{}\"; pgmmr --help lists them\n", argv[1]);
    return pgmmr::kExitUsage;
  }
  try {
    app.parse(pgmmr::guarded_arguments(argc, argv));
    return exit_code;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? pgmmr::kExitDone : pgmmr::kExitUsage;
  } catch (const pgmmr::Error& error) {
    fmt::print(stderr, "pgmmr: {}\n", error.what());
    return pgmmr::kExitFailed;
  } catch (const std::exception& error) {
    fmt::print(stderr, "pgmmr: unexpected failure: {}\n", error.what());
    return pgmmr::kExitFailed;
  }
}
