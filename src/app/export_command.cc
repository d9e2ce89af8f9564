// pgmmr export: a collection's embeddings and columns to files that NumPy, pandas, DuckDB read.
//
// FILE.npy holds float32 [rows, dim], FILE.keys.jsonl beside it says what each row is, line by
// line. FILE.parquet holds key, image_uri, the dataset's own columns with their types, and
// embedding.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/embedding_writer.h"
#include "app/progress.h"
#include "base/error.h"
#include "base/file.h"
#include "dataset/parquet_writer.h"
#include "store/collection_scan.h"
#include "store/embedded_server.h"
#include "store/schema.h"

namespace pgmmr {
namespace {

struct Arguments {
  std::string collection, output;
};

// Lines to a file that appears when it is whole.
class LineFile {
 public:
  explicit LineFile(std::filesystem::path path) : path_(std::move(path)), replacement_(path_) {
    file_ = std::fopen(replacement_.part().c_str(), "wb");
    if (file_ == nullptr) fail();
  }
  ~LineFile() {
    if (file_ == nullptr) return;
    std::fclose(file_);
  }
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  void write(const std::string& line) {
    const std::string text = line + "\n";
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) fail();
  }

  void finish() {
    std::FILE* const file = file_;
    file_ = nullptr;
    if (std::fclose(file) != 0) fail();
    replacement_.commit();
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(ErrorKind::kUnavailable, path_.string() + ": cannot be written");
  }

  const std::filesystem::path path_;
  Replacement replacement_;
  std::FILE* file_ = nullptr;
};

void check_stop() {
  if (interrupted().stop_requested()) {
    throw Error(ErrorKind::kCancelled, "exporting: stopped; nothing was written");
  }
}

void export_npy(CollectionScan& scan, const Collection& collection, const std::string& output,
                ProgressBar& bar) {
  const auto writer = EmbeddingWriter::open(
      EmbeddingFormat::kNpy, output,
      {collection.model_id, collection.dim, static_cast<std::size_t>(scan.rows())});
  std::filesystem::path beside = output;
  LineFile keys(beside.replace_extension(".keys.jsonl"));
  std::int64_t done = 0;
  while (const auto row = scan.next()) {
    check_stop();
    writer->write(row->embedding);
    const nlohmann::ordered_json line = {{"key", row->key}, {"image", row->image_uri}};
    keys.write(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    bar.show(++done, scan.rows(), 0);
  }
  writer->finish({});
  keys.finish();
}

void export_parquet(CollectionScan& scan, const Collection& collection, const std::string& output,
                    ProgressBar& bar) {
  std::vector<ParquetColumn> columns = {{"key", "text"}, {"image_uri", "text"}};
  for (const TableColumn& column : collection.columns) {
    columns.push_back({column.name, column.type});
  }
  std::int64_t done = 0;
  write_parquet(output, columns, [&]() -> std::optional<ParquetRow> {
    check_stop();
    auto row = scan.next();
    if (!row) return std::nullopt;
    bar.show(++done, scan.rows(), 0);
    ParquetRow out;
    out.values = {std::move(row->key), std::move(row->image_uri)};
    for (auto& value : row->values) out.values.push_back(std::move(value));
    out.embedding = std::move(row->embedding);
    return out;
  });
}

void run(const Arguments& arguments) {
  const bool npy = arguments.output.ends_with(".npy");
  if (!npy && !arguments.output.ends_with(".parquet")) {
    throw Error(ErrorKind::kInvalidArgument,
                "exporting to " + arguments.output + ": expected FILE.npy or FILE.parquet");
  }
  Connection connection(database_url());
  migrate(connection);
  const Collection collection = get_collection(connection, arguments.collection);
  CollectionScan scan(connection, collection);
  {
    ProgressBar bar;
    (npy ? export_npy : export_parquet)(scan, collection, arguments.output, bar);
  }
  fmt::print(stderr, "wrote {} rows of {} to {}\n", grouped(scan.rows()), collection.name,
             arguments.output);
}

}  // namespace

void add_export_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command =
      app.add_subcommand("export", "Write a collection's embeddings and columns to a file");
  command->add_option("-c,--collection", arguments->collection)->required();
  command
      ->add_option("-o,--output", arguments->output,
                   "FILE.npy (with FILE.keys.jsonl beside it) or FILE.parquet")
      ->required();
  command->callback([arguments, &exit_code] {
    (void)exit_code;
    run(*arguments);
  });
}

}  // namespace pgmmr
