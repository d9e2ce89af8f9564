// pgmmr search: words, a picture or a row to ranked hits, on stdout and as a contact sheet.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <map>
#include <thread>

#include "app/command.h"
#include "app/hit_format.h"
#include "app/model_source.h"
#include "app/progress.h"
#include "base/error.h"
#include "base/file.h"
#include "image/contact_sheet.h"
#include "image/decode.h"
#include "image/encode.h"
#include "image/resize.h"
#include "search/hit_caption.h"
#include "search/hit_picture.h"
#include "search/search.h"
#include "store/embedded_server.h"
#include "store/schema.h"

namespace pgmmr {
namespace {

constexpr int kTableWidth = 100;  // where stdout is no terminal
constexpr int kSheetSide = 320;   // of a picture on the contact sheet, before the sheet fits it
constexpr std::size_t kMaxSheetCells = 200;

const std::map<std::string, SearchMode> kModes = {{"auto", SearchMode::kAuto},
                                                  {"vector", SearchMode::kVector},
                                                  {"keyword", SearchMode::kKeyword},
                                                  {"hybrid", SearchMode::kHybrid}};

struct Arguments {
  std::string collection, text, image, like, not_text, where, model, save;
  std::string mode = "auto", format = "table";
  int limit = 10;
  Precision precision = Precision::kAuto;
  bool exact = false;
};

std::string read_stdin() {
  std::string bytes;
  std::array<char, 1 << 16> block{};
  for (std::size_t n = 0; (n = std::fread(block.data(), 1, block.size(), stdin)) > 0;) {
    bytes.append(block.data(), n);
    if (bytes.size() > kMaxPictureBytes) {
      throw Error(
          ErrorKind::kInvalidArgument,
          fmt::format("reading a picture from stdin: more than {} bytes", kMaxPictureBytes));
    }
  }
  return bytes;
}

Query make_query(const Arguments& arguments) {
  Query query;
  query.text = arguments.text;
  query.not_text = arguments.not_text;
  query.like_key = arguments.like;
  query.mode = kModes.at(arguments.mode);
  query.limit = arguments.limit;
  query.where = arguments.where;
  query.picture_name = arguments.image;
  return query;
}

// Of the picture to find similar ones of; nothing without one.
std::string picture_bytes(const std::string& image) {
  if (image.empty()) return "";
  return image == "-" ? read_stdin() : read_file(image, kMaxPictureBytes);
}

// Read as an ingest reads it: the collection's own pictures are found with similarity 1.
Picture example(const std::string& bytes, const Arguments& arguments, const Encoder& encoder) {
  DecodeOptions options;
  if (!arguments.exact) options.enough_edge = encoder.enough_edge();
  return decode_picture(bytes, arguments.image == "-" ? "stdin" : arguments.image, options);
}

// A sheet needs little of a picture; a hundred large ones at once would need gigabytes.
Picture small(Picture picture) {
  const int longer = std::max(picture.width, picture.height);
  if (longer <= kSheetSide) return picture;
  const auto side = [&](int length) {
    return std::max(1, static_cast<int>(std::int64_t{length} * kSheetSide / longer));
  };
  return resize(picture, side(picture.width), side(picture.height));
}

void save_sheet(Connection& connection, const Collection& collection, const SearchResult& result,
                const Arguments& arguments) {
  if (result.hits.empty()) {
    fmt::print(stderr, "no hits, so {} was not written\n", arguments.save);
    return;
  }
  std::vector<SheetCell> cells;
  for (const RankedRow& hit : result.hits) {
    if (cells.size() == kMaxSheetCells) break;
    SheetCell cell;
    cell.caption = hit_caption(collection, hit, arguments.text);
    if (cell.caption.empty()) cell.caption = hit.key;
    cell.note = fmt::format("{}  ·  {}", cells.size() + 1,
                            hit.similarity ? fmt::format("similarity {:.3f}", *hit.similarity)
                                           : fmt::format("score {:.4g}", hit.score));
    try {
      cell.picture = small(hit_picture(connection, collection, hit));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kUnavailable) throw;
      fmt::print(stderr, "on the contact sheet, a blank for {}: {}\n", hit.key, error.what());
    }
    cells.push_back(std::move(cell));
  }
  std::string title = arguments.text;
  if (!arguments.image.empty()) title += (title.empty() ? "" : " + ") + arguments.image;
  if (!arguments.like.empty()) title += (title.empty() ? "like " : " + like ") + arguments.like;
  write_file(arguments.save, encode_png(contact_sheet(title, cells)));
  fmt::print(stderr, "wrote {}\n", arguments.save);
}

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw Error(ErrorKind::kUnavailable, "writing the hits to stdout failed");
  }
}

void print_hits(const Collection& collection, const SearchResult& result, const Query& query,
                const std::string& format) {
  if (format == "json") return print(to_json(result, query) + "\n");
  if (format == "jsonl") return print(hits_as_jsonl(result));
  if (format == "csv") return print(hits_as_csv(collection, result));
  print(hits_as_table(collection, result, query, terminal_width(STDOUT_FILENO, kTableWidth),
                      isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr));
}

void run(const Arguments& arguments) {
  Query query = make_query(arguments);
  const std::string bytes = picture_bytes(arguments.image);
  Connection connection(database_url());
  migrate(connection);
  const Collection collection = get_collection(connection, arguments.collection);
  std::unique_ptr<Encoder> encoder;
  if (!arguments.image.empty() || needs_encoder(collection, query)) {
    const EncoderOptions options{.precision = arguments.precision,
                                 .threads = static_cast<int>(std::thread::hardware_concurrency()),
                                 .pack_folder = {}};
    encoder = load_model_of(collection, arguments.model, options);
  }
  if (!arguments.image.empty()) query.picture = example(bytes, arguments, *encoder);
  const SearchResult result = search(connection, collection, encoder.get(), query);
  print_hits(collection, result, query, arguments.format);
  if (!arguments.save.empty()) save_sheet(connection, collection, result, arguments);
}

}  // namespace

void add_search_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command =
      app.add_subcommand("search", "Find pictures by words, by a picture, or both");
  command->add_option("-c,--collection", arguments->collection)->required();
  command->add_option("text", arguments->text, "What to find");
  command->add_option("--image", arguments->image, "A picture to find similar ones of; - is stdin");
  command->add_option("--like", arguments->like, "The key of a row to find similar ones of");
  command->add_option("--not", arguments->not_text, "What to stay away from");
  command->add_option("--mode", arguments->mode, "auto: hybrid where there are words and captions")
      ->check(CLI::IsMember({"auto", "vector", "keyword", "hybrid"}));
  command->add_option("-k,--limit", arguments->limit, "How many hits")
      ->check(CLI::Range(1, kMaxHits));
  command->add_option("--where", arguments->where, "An SQL condition on the collection's columns");
  command->add_option("--format", arguments->format)
      ->check(CLI::IsMember({"table", "json", "jsonl", "csv"}));
  command->add_option("--save", arguments->save, "Also write a contact sheet, FILE.png");
  command->add_option("--model", arguments->model, "Default: the collection's");
  add_precision_option(*command, arguments->precision);
  add_exact_flag(*command, arguments->exact);
  command->callback([arguments, &exit_code] {
    (void)exit_code;
    run(*arguments);
  });
}

}  // namespace pgmmr
