// pgmmr eval: recall, MRR and nDCG of a collection, by its captions, by rows that show the same
// thing, or by judged queries; and what its index loses.
#include <fmt/format.h>

#include <cstdio>
#include <map>

#include "app/command.h"
#include "app/evaluation_format.h"
#include "app/model_source.h"
#include "app/progress.h"
#include "base/error.h"
#include "eval/evaluation.h"
#include "store/embedded_server.h"
#include "store/schema.h"

namespace pgmmr {
namespace {

const std::map<std::string, std::optional<RankingMode>> kModes = {
    {"all", std::nullopt},
    {"vector", RankingMode::kVector},
    {"keyword", RankingMode::kKeyword},
    {"hybrid", RankingMode::kHybrid}};

struct Arguments {
  std::string collection, queries, model;
  std::string mode = "all", format = "table";
  Precision precision = Precision::kAuto;
  EvaluationPlan plan;
};

Evaluation run_plan(Connection& connection, const Collection& collection, const Encoder* encoder,
                    const EvaluationPlan& plan) {
  ProgressBar bar;
  return evaluate(connection, collection, encoder, plan,
                  [&](const std::string& doing, std::int64_t done, std::int64_t expected) {
                    if (interrupted().stop_requested()) {
                      throw Error(ErrorKind::kCancelled,
                                  fmt::format("evaluating {}: stopped", collection.name));
                    }
                    bar.say(fmt::format("{}: {}/{}", doing, grouped(done), grouped(expected)));
                  });
}

std::string written(const Collection& collection, const EvaluationPlan& plan,
                    const Evaluation& evaluation, const std::string& format) {
  if (format == "json") return evaluation_as_json(collection, plan, evaluation) + "\n";
  if (format == "csv") return evaluation_as_csv(evaluation);
  return evaluation_as_table(collection, evaluation);
}

void run(const Arguments& arguments) {
  EvaluationPlan plan = arguments.plan;
  plan.mode = kModes.at(arguments.mode);
  if (!arguments.queries.empty()) {
    plan.judgments = read_judgments(arguments.queries);
    plan.judgments_name = arguments.queries;
  }
  Connection connection(database_url());
  migrate(connection);
  const Collection collection = get_collection(connection, arguments.collection);
  std::unique_ptr<Encoder> encoder;
  if (needs_encoder(collection, plan)) {
    const EncoderOptions options{.precision = arguments.precision, .threads = 1, .pack_folder = {}};
    encoder = load_model_of(collection, arguments.model, options);
  }
  const Evaluation evaluation = run_plan(connection, collection, encoder.get(), plan);
  const std::string text = written(collection, plan, evaluation, arguments.format);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw Error(ErrorKind::kUnavailable, "writing the figures to stdout failed");
  }
}

}  // namespace

void add_eval_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand(
      "eval", "Measure how well a collection's pictures are found: recall, MRR, nDCG");
  EvaluationPlan& plan = arguments->plan;
  command->add_option("-c,--collection", arguments->collection)->required();
  command->add_option("--caption", plan.captions,
                      "A text column: each row's text asks for its picture; may be given again "
                      "(default: the collection's captions)");
  command->add_option("--same", plan.same,
                      "A column: each picture asks for others with the same value there");
  command->add_option("--queries", arguments->queries,
                      "FILE.jsonl of {\"text\": …, \"relevant\": [keys]}; image, like and not as "
                      "in search");
  command->add_option("--mode", arguments->mode)
      ->check(CLI::IsMember({"all", "vector", "keyword", "hybrid"}));
  command->add_option("--where", plan.conditions.searched,
                      "An SQL condition on the rows that are searched");
  command->add_option("--of", plan.conditions.asking,
                      "An SQL condition on the rows that ask (default: those searched)");
  command->add_option("--sample", plan.sample, "Rows that ask at most, chosen by their keys' hash")
      ->check(CLI::Range(1, kMaxSample))
      ->capture_default_str();
  command->add_option("--format", arguments->format)
      ->check(CLI::IsMember({"table", "json", "csv"}));
  command->add_option("--model", arguments->model, "Default: the collection's");
  add_precision_option(*command, arguments->precision);
  command->callback([arguments, &exit_code] {
    (void)exit_code;
    run(*arguments);
  });
}

}  // namespace pgmmr
