// What every command is made of. One file a command; main.cc lists them.
#pragma once

#include <CLI/CLI.hpp>
#include <stop_token>

namespace pgmmr {

// Set by Ctrl-C and SIGTERM; the second one ends the program at once.
std::stop_token interrupted();

// Each adds its subcommand; the callback runs the command and sets exit_code where it is not 0.
// Errors are thrown.
void add_ingest_command(CLI::App& app, int& exit_code);
void add_search_command(CLI::App& app, int& exit_code);
void add_embed_command(CLI::App& app, int& exit_code);
void add_tokenize_command(CLI::App& app, int& exit_code);
void add_export_command(CLI::App& app, int& exit_code);
void add_collection_commands(CLI::App& app, int& exit_code);
void add_model_command(CLI::App& app, int& exit_code);
void add_db_command(CLI::App& app, int& exit_code);
void add_doctor_command(CLI::App& app, int& exit_code);

}  // namespace pgmmr
