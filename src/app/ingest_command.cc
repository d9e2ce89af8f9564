// pgmmr ingest: a source of pictures into a collection.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "app/command.h"
#include "app/model_source.h"
#include "app/progress.h"
#include "base/error.h"
#include "base/settings.h"
#include "ingest/ingest.h"
#include "store/embedded_server.h"
#include "store/schema.h"

namespace pgmmr {
namespace {

constexpr int kRejectsShown = 5;

struct Arguments {
  std::string source, collection, model, key, images = "auto";
  std::vector<std::string> captions;
  std::string language;
  std::optional<std::int64_t> limit;
  int workers = 0;
  Precision precision = Precision::kAuto;
  bool exact = false;
};

// The model asked for, else the one the collection was made with, else the default.
std::unique_ptr<Encoder> encoder_for(const Arguments& arguments, const std::string& url) {
  const EncoderOptions options{.precision = arguments.precision, .threads = 1, .pack_folder = {}};
  if (!arguments.model.empty()) return load_model(arguments.model, "", options);
  Connection connection(url);
  migrate(connection);
  const auto collection = find_collection(connection, arguments.collection);
  return collection ? load_model_of(*collection, "", options)
                    : load_model(default_model(), "", options);
}

void print_rejects(const std::string& url, const Arguments& arguments, const std::string& source,
                   std::int64_t count) {
  Connection connection(url);
  std::vector<Reject> rejects = list_rejects(connection, arguments.collection, 200);
  std::erase_if(rejects, [&](const Reject& reject) { return reject.source != source; });
  const auto shown = std::min<std::size_t>(rejects.size(), kRejectsShown);
  for (std::size_t i = 0; i < shown; ++i) {
    fmt::print(stderr, "  {}: {}\n", rejects[i].key, rejects[i].reason);
  }
  if (count > static_cast<std::int64_t>(shown)) {
    fmt::print(stderr, "  … {} more; pgmmr collection show {} lists them\n",
               grouped(count - static_cast<std::int64_t>(shown)), arguments.collection);
  }
}

void print_summary(const IngestReport& report, const Arguments& arguments) {
  const std::int64_t handled = report.stored + report.rejected;
  if (handled == 0) {
    fmt::print(stderr, "{}: unchanged, {} rows were there already", arguments.collection,
               grouped(report.unchanged));
  } else {
    fmt::print(stderr, "{}: stored {} pictures in {:.1f} s ({:.1f} a second)", arguments.collection,
               grouped(report.stored), report.seconds,
               static_cast<double>(handled) / std::max(report.seconds, 1e-3));
    if (report.rejected > 0) fmt::print(stderr, ", rejected {}", grouped(report.rejected));
    if (report.unchanged > 0) {
      fmt::print(stderr, "; {} rows were there already", grouped(report.unchanged));
    }
  }
  fmt::print(stderr, "\n");
  const double busy = report.read_seconds + report.decode_seconds + report.resize_seconds +
                      report.encode_seconds + report.store_seconds;
  if (handled > 0 && busy > 0) {
    const auto share = [&](double seconds) { return 100 * seconds / busy; };
    fmt::print(stderr,
               "time went to: read {:.0f} %, decode {:.0f} %, resize {:.0f} %, encode {:.0f} %, "
               "store {:.0f} %\n",
               share(report.read_seconds), share(report.decode_seconds),
               share(report.resize_seconds), share(report.encode_seconds),
               share(report.store_seconds));
  }
}

int run(const Arguments& arguments) {
  check_collection_name(arguments.collection);
  SourceOptions source_options;
  source_options.key_column = arguments.key;
  source_options.limit = arguments.limit;
  const auto dataset = open_dataset(arguments.source, source_options);
  const std::string url = database_url();
  const auto encoder = encoder_for(arguments, url);

  const std::map<std::string, ImageStorage> storages = {{"auto", ImageStorage::kAuto},
                                                        {"reference", ImageStorage::kReference},
                                                        {"database", ImageStorage::kDatabase}};
  IngestOptions options;
  options.collection = arguments.collection;
  options.captions = arguments.captions;
  options.language = arguments.language;
  options.images = storages.at(arguments.images);
  options.workers = arguments.workers;
  options.exact = arguments.exact;
  options.partial = arguments.limit.has_value();

  IngestReport report;
  {
    ProgressBar bar;
    report = ingest(url, *dataset, *encoder, options, interrupted(),
                    [&](const IngestProgress& progress) {
                      if (progress.indexing) return bar.say("finishing the indexes …");
                      bar.show(progress.rows_done, progress.planned ? progress.rows_expected : 0,
                               progress.rejects);
                    });
  }
  print_summary(report, arguments);
  if (report.rejects_of_source == 0) return kExitDone;
  fmt::print(stderr, "{} reject{} of this source:\n", grouped(report.rejects_of_source),
             report.rejects_of_source == 1 ? "" : "s");
  print_rejects(url, arguments, dataset->source(), report.rejects_of_source);
  return kExitRejects;
}

}  // namespace

void add_ingest_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("ingest", "Put pictures into a collection");
  command
      ->add_option("source", arguments->source,
                   "A folder; *.parquet, *.csv, *.tsv, *.jsonl (file, glob or URL); "
                   "hf://datasets/OWNER/NAME; or a SELECT that DuckDB runs")
      ->required();
  command->add_option("-c,--collection", arguments->collection, "Created where there is none")
      ->required();
  command->add_option("--model", arguments->model,
                      "A Hugging Face model id, a folder or \"demo\" (default: the collection's)");
  add_precision_option(*command, arguments->precision);
  command->add_option("--caption", arguments->captions,
                      "A column that keyword search reads; may be given several times");
  command->add_option("--key", arguments->key, "The column that names a row");
  command->add_option("--limit", arguments->limit, "Only the first rows")
      ->check(CLI::PositiveNumber);
  command->add_option("--images", arguments->images, "Where the pictures' bytes are kept")
      ->check(CLI::IsMember({"auto", "reference", "database"}));
  command->add_option("--language", arguments->language,
                      "PostgreSQL text search configuration of the captions (default english; "
                      "scripts without spaces are found by themselves)");
  command->add_option("--workers", arguments->workers, "Threads (default: one for each core)")
      ->check(CLI::Range(1, 256));
  add_exact_flag(*command, arguments->exact);
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace pgmmr
