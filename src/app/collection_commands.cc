// pgmmr collections, collection show, collection drop: what the database holds.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/command.h"
#include "base/error.h"
#include "store/collection.h"
#include "store/connection.h"
#include "store/embedded_server.h"
#include "store/schema.h"

namespace pgmmr {
namespace {

using nlohmann::ordered_json;

constexpr int kShownRejects = 1000;

struct Options {
  std::string name;
  std::string format = "table";
  bool yes = false;
};

Connection connect() {
  Connection connection(database_url());
  migrate(connection);
  return connection;
}

std::string size_text(std::int64_t bytes) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= 1000 && unit + 1 < std::size(units)) {
    size /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", size, units[unit]);
}

std::string index_text(const CollectionCounts& counts) {
  if (counts.has_vector_index) return "HNSW";
  return counts.rows > kExactSearchRows ? "none: exact search over many rows is slow"
                                        : "none needed: exact search";
}

// Bad UTF-8 cannot come out of the database; replace is for what nobody foresaw.
void print(const ordered_json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, ordered_json::error_handler_t::replace));
}

void list(const Options& options) {
  Connection connection = connect();
  const auto collections = list_collections(connection);
  if (options.format == "json") {
    auto json = ordered_json::array();
    for (const auto& one : collections) {
      const auto counts = count_collection(connection, one.name);
      json.push_back({{"name", one.name},
                      {"rows", counts.rows},
                      {"rejects", counts.rejects},
                      {"bytes", counts.bytes},
                      {"model", one.model_id},
                      {"dim", one.dim},
                      {"source", one.source}});
    }
    print(json);
    return;
  }
  if (collections.empty()) {
    fmt::print(stderr, "no collections yet: pgmmr ingest SOURCE -c NAME makes one\n");
    return;
  }
  std::size_t width = 4;
  for (const auto& one : collections) width = std::max(width, one.name.size());
  fmt::print("{:<{}}  {:>10}  {:>8}  {:>9}  {}\n", "NAME", width, "ROWS", "REJECTS", "SIZE",
             "MODEL");
  for (const auto& one : collections) {
    const auto counts = count_collection(connection, one.name);
    fmt::print("{:<{}}  {:>10}  {:>8}  {:>9}  {}\n", one.name, width, counts.rows, counts.rejects,
               size_text(counts.bytes), one.model_id);
  }
}

void show_json(const Collection& collection, const CollectionCounts& counts,
               const std::vector<Reject>& rejects) {
  ordered_json json = {{"name", collection.name},
                       {"model",
                        {{"id", collection.model_id},
                         {"revision", collection.model_revision},
                         {"fingerprint", collection.model_fingerprint},
                         {"dim", collection.dim}}},
                       {"source", collection.source},
                       {"images", collection.stores_images ? "database" : "reference"},
                       {"rows", counts.rows},
                       {"bytes", counts.bytes},
                       {"vector_index", counts.has_vector_index},
                       {"chunks", {{"done", counts.chunks_done}, {"open", counts.chunks_open}}},
                       {"columns", ordered_json::array()},
                       {"captions", ordered_json::array()},
                       {"rejects", {{"count", counts.rejects}, {"last", ordered_json::array()}}}};
  for (const auto& column : collection.columns) {
    json["columns"].push_back({{"name", column.name}, {"type", column.type}});
  }
  for (const auto& caption : collection.captions) {
    json["captions"].push_back({{"name", caption.name}, {"language", caption.config}});
  }
  for (const auto& reject : rejects) {
    json["rejects"]["last"].push_back(
        {{"source", reject.source}, {"key", reject.key}, {"reason", reject.reason}});
  }
  print(json);
}

void show_table(const Collection& collection, const CollectionCounts& counts,
                const std::vector<Reject>& rejects) {
  const auto line = [](const char* name, const std::string& value) {
    fmt::print("{:<9}  {}\n", name, value);
  };
  line("name", collection.name);
  line("model", fmt::format("{}{}, {} dimensions", collection.model_id,
                            collection.model_revision.empty()
                                ? ""
                                : " at " + collection.model_revision.substr(0, 12),
                            collection.dim));
  line("source", collection.source);
  line("images", collection.stores_images ? "in the database" : "where the source has them");
  line("rows", std::to_string(counts.rows));
  line("size", size_text(counts.bytes));
  line("index", index_text(counts));
  line("ingest", counts.chunks_open == 0
                     ? fmt::format("done, {} chunks", counts.chunks_done)
                     : fmt::format("{} of {} chunks done; the same pgmmr ingest goes on",
                                   counts.chunks_done, counts.chunks_done + counts.chunks_open));
  std::string columns, captions;
  for (const auto& column : collection.columns) {
    columns += fmt::format("{}{} {}", columns.empty() ? "" : ", ", column.name, column.type);
  }
  for (const auto& caption : collection.captions) {
    captions +=
        fmt::format("{}{} ({})", captions.empty() ? "" : ", ", caption.name, caption.config);
  }
  line("columns", columns.empty() ? "none" : columns);
  line("captions", captions.empty() ? "none: vector search only" : captions);
  line("rejects", std::to_string(counts.rejects));
  for (const auto& reject : rejects) fmt::print("  {}: {}\n", reject.key, reject.reason);
  if (counts.rejects > static_cast<std::int64_t>(rejects.size())) {
    fmt::print("  … and {} more in pgmmr.reject\n",
               counts.rejects - static_cast<std::int64_t>(rejects.size()));
  }
}

void show(const Options& options) {
  Connection connection = connect();
  const auto collection = get_collection(connection, options.name);
  const auto counts = count_collection(connection, options.name);
  const auto rejects = list_rejects(connection, options.name, kShownRejects);
  if (options.format == "json") {
    show_json(collection, counts, rejects);
  } else {
    show_table(collection, counts, rejects);
  }
}

void drop(const Options& options) {
  Connection connection = connect();
  get_collection(connection, options.name);
  if (!options.yes) {
    if (isatty(STDIN_FILENO) == 0) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("dropping collection {}: not a terminal to ask on, so it needs --yes",
                              options.name));
    }
    fmt::print(stderr, "Drop collection {} with its {} rows? Type its name: ", options.name,
               count_collection(connection, options.name).rows);
    std::string answer;
    std::getline(std::cin, answer);
    if (answer != options.name) {
      throw Error(ErrorKind::kCancelled, "dropping collection " + options.name + ": not confirmed");
    }
  }
  drop_collection(connection, options.name);
  fmt::print(stderr, "dropped {}\n", options.name);
}

void add_format(CLI::App& command, const std::shared_ptr<Options>& options) {
  command.add_option("--format", options->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

}  // namespace

void add_collection_commands(CLI::App& app, int&) {
  auto options = std::make_shared<Options>();
  auto* all = app.add_subcommand("collections", "List the collections");
  add_format(*all, options);
  all->callback([options] { list(*options); });

  auto* one = app.add_subcommand("collection", "Look at a collection, or drop it");
  one->require_subcommand(1);
  auto* shown = one->add_subcommand("show", "Model, rows, columns, captions, index, rejects");
  shown->add_option("NAME", options->name, "The collection")->required();
  add_format(*shown, options);
  shown->callback([options] { show(*options); });
  auto* dropped = one->add_subcommand("drop", "Delete a collection and its stored pictures");
  dropped->add_option("NAME", options->name, "The collection")->required();
  dropped->add_flag("--yes", options->yes, "Don't ask");
  dropped->callback([options] { drop(*options); });
}

}  // namespace pgmmr
