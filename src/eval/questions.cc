#include "eval/questions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "eval/quality.h"
#include "image/decode.h"
#include "search/search.h"
#include "store/binary_format.h"

namespace pgmmr {
namespace {

constexpr std::size_t kTextsAtOnce = 32;

Error refusal(const Collection& collection, const std::string& why) {
  return Error(ErrorKind::kInvalidArgument, fmt::format("evaluating {}: {}", collection.name, why));
}

const TableColumn& column_of(const Collection& collection, const std::string& name) {
  const auto found = std::ranges::find(collection.columns, name, &TableColumn::name);
  if (found != collection.columns.end()) return *found;
  std::vector<std::string> names;
  for (const auto& column : collection.columns) names.push_back(column.name);
  throw refusal(collection, fmt::format("no column \"{}\"; there are: {}", name.substr(0, 80),
                                        fmt::join(names, ", ")));
}

std::string where(const SampleConditions& conditions) {
  std::string text;
  if (!conditions.searched.empty()) text += " where " + conditions.searched;
  if (!conditions.asking.empty()) text += " of " + conditions.asking;
  return text;
}

// float32 [texts, dim], unit length. The calling threads are as many as there are cores, since the
// encoder works on the one that calls.
Matrix encode(const QuestionSource& source, const std::vector<std::string>& texts) {
  check_model(source.collection, source.encoder->info());
  Matrix all(static_cast<int>(texts.size()), source.collection.dim);
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::size_t done = 0;        // guarded by mutex
  std::exception_ptr failure;  // guarded by mutex
  const auto work = [&] {
    for (std::size_t first = next.fetch_add(kTextsAtOnce); first < texts.size();
         first = next.fetch_add(kTextsAtOnce)) {
      try {
        const std::size_t count = std::min(kTextsAtOnce, texts.size() - first);
        Matrix some = source.encoder->encode_texts(std::span(texts).subspan(first, count));
        normalise_rows(some);
        std::copy_n(some.data(), count * static_cast<std::size_t>(some.cols()),
                    all.row(static_cast<int>(first)).data());
        const std::lock_guard lock(mutex);
        done += count;
        source.progress("encoding texts", static_cast<std::int64_t>(done),
                        static_cast<std::int64_t>(texts.size()));
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = texts.size();
      }
    }
  };
  {
    std::vector<std::jthread> workers;
    const std::size_t batches = (texts.size() + kTextsAtOnce - 1) / kTextsAtOnce;
    const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
    for (std::size_t i = 1; i < std::min(cores, batches); ++i) workers.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
  return all;
}

// A text as keyword search reads it; empty where the collection has no captions to look in.
RankingQuery word_query(const QuestionSource& source, const std::string& text) {
  Query query;
  query.text = text;
  query.limit = kDepth;
  query.where = source.conditions.searched;
  query.mode = SearchMode::kKeyword;
  if (!source.collection.captions.empty()) {
    return prepare(source.connection, source.collection, nullptr, query);
  }
  RankingQuery ranking;
  ranking.limit = kDepth;
  ranking.where = source.conditions.searched;
  return ranking;
}

// Of a judged query, in the mode that asks for all the parts it has.
Query judged_query(const QuestionSource& source, const Judgment& judgment) {
  Query query;
  query.text = judgment.text;
  query.not_text = judgment.not_text;
  query.like_key = judgment.like;
  query.limit = kDepth;
  query.where = source.conditions.searched;
  if (source.mode == RankingMode::kKeyword) query.mode = SearchMode::kKeyword;
  if (!judgment.image.empty()) {
    query.picture_name = judgment.image;
    const DecodeOptions options{.enough_edge = source.encoder->enough_edge()};
    query.picture =
        decode_picture(read_file(judgment.image, kMaxPictureBytes), judgment.image, options);
  }
  return query;
}

bool words_alone(const Judgment& judgment) {
  return judgment.image.empty() && judgment.like.empty() && judgment.not_text.empty();
}

// The answers of each judgment that are searched.
std::vector<std::vector<std::string>> searched_answers(const QuestionSource& source,
                                                       const std::vector<Judgment>& judgments,
                                                       const std::string& name) {
  std::vector<std::string> keys;
  for (const auto& one : judgments) {
    keys.insert(keys.end(), one.relevant.begin(), one.relevant.end());
  }
  const KnownKeys known =
      known_keys(source.connection, source.collection, keys, source.conditions.searched);
  std::vector<std::vector<std::string>> answers;
  std::size_t at = 0;
  for (const auto& one : judgments) {
    answers.emplace_back();
    for (const auto& key : one.relevant) {
      if (!known.there[at]) {
        throw Error(ErrorKind::kNotFound,
                    fmt::format("evaluating {} by {}, line {}: no row with key {}",
                                source.collection.name, name, one.line, key));
      }
      // A row that is searched with is no hit of its own.
      if (known.searched[at] && key != one.like) answers.back().push_back(key);
      ++at;
    }
  }
  return answers;
}

}  // namespace

bool Question::answerable(RankingMode mode) const {
  switch (mode) {
    case RankingMode::kVector:
      return !query.embedding.empty();
    case RankingMode::kKeyword:
      return words_alone && !query.text.empty();
    case RankingMode::kHybrid:
      return !query.embedding.empty() && !query.text.empty();
  }
  return false;
}

QuestionSet caption_questions(const QuestionSource& source, const std::string& column) {
  const TableColumn& found = column_of(source.collection, column);
  const CellType type = cell_type(found.type);
  if (type != CellType::kText && type != CellType::kTextArray) {
    throw refusal(source.collection,
                  fmt::format("captions are text, column \"{}\" is {}", column, found.type));
  }
  const RowSample sample = sample_captions(source.connection, source.collection, column,
                                           source.conditions, source.sample);
  if (sample.rows.empty()) {
    throw refusal(source.collection, fmt::format("no row has text in column \"{}\"{}", column,
                                                 where(source.conditions)));
  }
  // Pictures often share a caption: it is encoded once.
  std::unordered_map<std::string, std::size_t> places;
  std::vector<std::string> texts;
  for (const auto& row : sample.rows) {
    for (const auto& text : row.texts) {
      if (places.emplace(text, texts.size()).second) texts.push_back(text);
    }
  }
  Matrix embeddings;
  if (source.mode != RankingMode::kKeyword) embeddings = encode(source, texts);
  QuestionSet set{QuestionKind::kCaption,
                  column,
                  static_cast<std::int64_t>(sample.rows.size()),
                  sample.able,
                  {}};
  for (const auto& row : sample.rows) {
    for (const auto& text : row.texts) {
      Question question{word_query(source, text), true, {row.key}, ""};
      if (source.mode != RankingMode::kKeyword) {
        const auto embedding = embeddings.row(static_cast<int>(places.at(text)));
        question.query.embedding.assign(embedding.begin(), embedding.end());
      }
      set.questions.push_back(std::move(question));
    }
  }
  return set;
}

QuestionSet partner_questions(const QuestionSource& source, const std::string& column) {
  column_of(source.collection, column);
  SampleConditions conditions = source.conditions;
  if (conditions.asking.empty()) conditions.asking = conditions.searched;
  RowSample sample =
      sample_partners(source.connection, source.collection, column, conditions, source.sample);
  if (sample.rows.empty()) {
    throw refusal(source.collection,
                  fmt::format("no two rows have the same value in column \"{}\"{}", column,
                              where(source.conditions)));
  }
  QuestionSet set{
      QuestionKind::kSame, column, static_cast<std::int64_t>(sample.rows.size()), sample.able, {}};
  for (auto& row : sample.rows) {
    Question question;
    question.query.mode = RankingMode::kVector;
    question.query.embedding = std::move(row.embedding);
    question.query.embedding_of_text = false;
    question.query.where = source.conditions.searched;
    question.query.exclude_key = std::move(row.key);
    question.label = std::move(row.label);
    set.questions.push_back(std::move(question));
  }
  return set;
}

QuestionSet judged_questions(const QuestionSource& source, const std::vector<Judgment>& judgments,
                             const std::string& name) {
  auto answers = searched_answers(source, judgments, name);
  QuestionSet set{QuestionKind::kJudged, name, 0, static_cast<std::int64_t>(judgments.size()), {}};
  for (std::size_t i = 0; i < judgments.size(); ++i) {
    const Judgment& judgment = judgments[i];
    source.progress("encoding queries", static_cast<std::int64_t>(i), set.able);
    if (answers[i].empty()) continue;
    if (source.mode == RankingMode::kKeyword && !words_alone(judgment)) continue;
    try {
      Question question;
      question.query = prepare(source.connection, source.collection, source.encoder,
                               judged_query(source, judgment));
      question.words_alone = words_alone(judgment);
      question.answers = std::move(answers[i]);
      set.questions.push_back(std::move(question));
    } catch (const Error& error) {
      throw Error(error.kind(),
                  fmt::format("evaluating {} by {}, line {}: {}", source.collection.name, name,
                              judgment.line, error.what()));
    }
  }
  set.asked = static_cast<std::int64_t>(set.questions.size());
  if (set.questions.empty()) {
    throw refusal(source.collection,
                  fmt::format("no query of {} can ask{}: its answers are not searched, or keyword "
                              "search reads none of them",
                              name, where(source.conditions)));
  }
  return set;
}

}  // namespace pgmmr
