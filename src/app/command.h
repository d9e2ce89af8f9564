// What every command is made of. One file a command; main.cc lists them.
#pragma once

#include <CLI/CLI.hpp>
#include <stop_token>
#include <string>
#include <vector>

namespace pgmmr {

// Set by Ctrl-C and SIGTERM; the second one ends the program at once.
std::stop_token interrupted();

// CLI11 reads an argument "[a,b]" of an option that takes many as a list of two. The arguments to
// parse, in the reversed order CLI11 wants, those of `embed` guarded against that; literal() takes
// the guard off again.
std::vector<std::string> guarded_arguments(int argc, char** argv);
std::string literal(std::string argument);

// Each adds its subcommand; the callback runs the command and sets exit_code where it is not 0.
// Errors are thrown.
void add_ingest_command(CLI::App& app, int& exit_code);
void add_search_command(CLI::App& app, int& exit_code);
void add_embed_command(CLI::App& app, int& exit_code);
void add_tokenize_command(CLI::App& app, int& exit_code);
void add_eval_command(CLI::App& app, int& exit_code);
void add_export_command(CLI::App& app, int& exit_code);
void add_collection_commands(CLI::App& app, int& exit_code);
void add_model_command(CLI::App& app, int& exit_code);
void add_db_command(CLI::App& app, int& exit_code);
void add_doctor_command(CLI::App& app, int& exit_code);
void add_bench_command(CLI::App& app, int& exit_code);
void add_serve_command(CLI::App& app, int& exit_code);

}  // namespace pgmmr
