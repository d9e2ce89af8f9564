#include "ingest/layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "text/words.h"

namespace pgmmr {
namespace {

// Enough to tell a column's script; a Parquet row group may hold thousands of pictures.
constexpr std::size_t kSampleRows = 64;

std::string type_name(ColumnType type) {
  switch (type) {
    case ColumnType::kBoolean:
      return "boolean";
    case ColumnType::kSmallint:
      return "smallint";
    case ColumnType::kInteger:
      return "integer";
    case ColumnType::kBigint:
      return "bigint";
    case ColumnType::kReal:
      return "real";
    case ColumnType::kDouble:
      return "double precision";
    case ColumnType::kNumeric:
      return "numeric";
    case ColumnType::kText:
      return "text";
    case ColumnType::kDate:
      return "date";
    case ColumnType::kTimestamp:
      return "timestamp";
    case ColumnType::kTimestampTz:
      return "timestamptz";
    case ColumnType::kBytea:
      return "bytea";
    case ColumnType::kTextArray:
      return "text[]";
    case ColumnType::kJsonb:
      return "jsonb";
  }
  throw Error(ErrorKind::kInternal, "a column type without a name in PostgreSQL");
}

// The table's names of the dataset's columns, in order.
std::vector<std::string> table_names(const std::vector<Column>& columns) {
  std::vector<std::string> names;
  for (const Column& column : columns) names.push_back(column.name);
  return column_names(names);
}

std::string text_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    return fmt::format("{}", fmt::join(*texts, " "));
  }
  return "";
}

bool wants_segmentation(const Sample& sample, std::size_t column) {
  std::string text;
  for (const Row& row : sample.rows) {
    if (column < row.values.size()) text += text_of(row.values[column]) + "\n";
  }
  return needs_segmentation(text);
}

std::string names_of(const std::vector<Column>& columns) {
  std::vector<std::string> names;
  for (const Column& column : columns) names.push_back(column.name);
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

// By the dataset's name or by the table's.
std::size_t find_caption(const std::string& wanted, const Dataset& dataset,
                         const std::vector<std::string>& names) {
  const auto& columns = dataset.columns();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == wanted) return i;
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == wanted) return i;
  }
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("reading {}: no caption column \"{}\"; its columns are: {}",
                          dataset.source(), wanted, names_of(columns)));
}

bool holds_text(ColumnType type) {
  return type == ColumnType::kText || type == ColumnType::kTextArray;
}

std::string describe(const std::vector<CaptionColumn>& captions) {
  std::vector<std::string> names;
  for (const CaptionColumn& caption : captions) names.push_back(caption.name);
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::string describe(const std::string& model_id, const std::string& fingerprint) {
  return fmt::format("{} (fingerprint {})", model_id, fingerprint.substr(0, 12));
}

bool lies_on_this_machine(const std::string& source) {
  return source.find("://") == std::string::npos || source.starts_with("file://");
}

void find_icu_captions(Layout& layout) {
  const auto& columns = layout.collection.columns;
  for (const CaptionColumn& caption : layout.collection.captions) {
    if (caption.config != "icu") continue;
    const auto found = std::find_if(columns.begin(), columns.end(),
                                    [&](const auto& one) { return one.name == caption.name; });
    if (found == columns.end()) continue;
    layout.icu_captions.push_back(static_cast<int>(found - columns.begin()));
  }
}

}  // namespace

Sample take_sample(const Dataset& dataset, const Chunk& chunk) {
  struct Enough {};
  Sample sample;
  bool seen_picture = false;
  try {
    dataset.read(chunk, [&](Row row) {
      if (!seen_picture && row.problem.empty()) {
        seen_picture = true;
        sample.pictures_inside = row.image_path.empty();
      }
      row.image_bytes.clear();
      sample.rows.push_back(std::move(row));
      if (sample.rows.size() >= kSampleRows) throw Enough{};
    });
  } catch (const Enough&) {
  } catch (const Error& error) {
    // A chunk that ends early is the worker's business; its head is sample enough.
    if (error.kind() != ErrorKind::kCorrupt) throw;
  }
  return sample;
}

Layout new_layout(const Dataset& dataset, const ModelInfo& model, const IngestOptions& options,
                  const Sample& sample) {
  Layout layout;
  Collection& collection = layout.collection;
  collection.name = options.collection;
  collection.model_id = model.id;
  collection.model_revision = model.revision;
  collection.model_fingerprint = model.fingerprint;
  collection.dim = model.dim;
  collection.source = dataset.source();

  const auto& columns = dataset.columns();
  const std::vector<std::string> names = table_names(columns);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    collection.columns.push_back({names[i], type_name(columns[i].type)});
    layout.source_columns.push_back(static_cast<int>(i));
  }

  const auto wanted = options.captions.empty() ? dataset.default_captions() : options.captions;
  const std::string language = options.language.empty() ? "english" : options.language;
  std::set<std::size_t> taken;
  for (const std::string& name : wanted) {
    const std::size_t at = find_caption(name, dataset, names);
    if (!holds_text(columns[at].type)) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("reading {}: caption column \"{}\" is {}, expected text",
                              dataset.source(), name, type_name(columns[at].type)));
    }
    if (!taken.insert(at).second) continue;
    collection.captions.push_back({names[at], wants_segmentation(sample, at) ? "icu" : language});
  }
  find_icu_captions(layout);

  switch (options.images) {
    case ImageStorage::kAuto:
      collection.stores_images = sample.pictures_inside || !lies_on_this_machine(dataset.source());
      break;
    case ImageStorage::kDatabase:
      collection.stores_images = true;
      break;
    case ImageStorage::kReference:
      if (sample.pictures_inside) {
        throw Error(ErrorKind::kInvalidArgument,
                    "ingesting " + dataset.source() +
                        " with its pictures by reference: they come inside the dataset and are no "
                        "files; use --images database");
      }
      collection.stores_images = false;
  }
  return layout;
}

Layout fit_layout(const Collection& collection, const Dataset& dataset, const ModelInfo& model,
                  const IngestOptions& options) {
  const auto conflict = [&](const std::string& what, const std::string& has,
                            const std::string& asked) {
    return Error(ErrorKind::kConflict,
                 fmt::format("ingesting {} into collection {}: it was made with {} {}, not with "
                             "{}; use another collection name, or drop it first",
                             dataset.source(), collection.name, what, has, asked));
  };
  if (collection.model_fingerprint != model.fingerprint || collection.dim != model.dim) {
    throw conflict("model", describe(collection.model_id, collection.model_fingerprint),
                   describe(model.id, model.fingerprint));
  }
  if ((options.images == ImageStorage::kReference && collection.stores_images) ||
      (options.images == ImageStorage::kDatabase && !collection.stores_images)) {
    const char* const has = collection.stores_images ? "database" : "reference";
    const char* const asked = collection.stores_images ? "reference" : "database";
    throw conflict("images", has, asked);
  }
  for (const CaptionColumn& caption : collection.captions) {
    if (!options.language.empty() && caption.config != "icu" &&
        caption.config != options.language) {
      throw conflict("language", caption.config, options.language);
    }
  }

  Layout layout{collection, {}, {}};
  const auto& columns = dataset.columns();
  const std::vector<std::string> names = table_names(columns);
  if (!options.captions.empty()) {
    std::vector<CaptionColumn> asked;
    for (const std::string& name : options.captions) {
      asked.push_back({names[find_caption(name, dataset, names)], ""});
    }
    if (!std::equal(asked.begin(), asked.end(), collection.captions.begin(),
                    collection.captions.end(),
                    [](const auto& a, const auto& b) { return a.name == b.name; })) {
      throw conflict("captions", describe(collection.captions), describe(asked));
    }
  }

  layout.source_columns.assign(collection.columns.size(), -1);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto found = std::find_if(collection.columns.begin(), collection.columns.end(),
                                    [&](const auto& one) { return one.name == names[i]; });
    const std::string type = type_name(columns[i].type);
    if (found == collection.columns.end()) {
      std::vector<std::string> has;
      for (const auto& one : collection.columns) has.push_back(one.name);
      throw conflict("columns", fmt::format("({})", fmt::join(has, ", ")),
                     fmt::format("one more, \"{}\"", columns[i].name));
    }
    if (found->type != type) {
      throw conflict(fmt::format("column \"{}\" of type", found->name), found->type, type);
    }
    layout.source_columns[static_cast<std::size_t>(found - collection.columns.begin())] =
        static_cast<int>(i);
  }
  find_icu_captions(layout);
  return layout;
}

}  // namespace pgmmr
