#include "clip/text_tower.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "nn/row_format.h"

namespace pgmmr {
namespace {

// A batch: enough rows to use the kernels well, few enough that activations stay in the cache.
constexpr int kRows = 384;
constexpr std::size_t kTexts = 32;

// Where code is prepared for each number of rows, rounding up keeps these few while texts of all
// lengths come in, at the price of some idle rows.
int rounded(int rows) {
  const int step = rows <= 16 ? 1 : rows <= 64 ? 4 : 16;
  return (rows + step - 1) / step * step;
}

}  // namespace

TextTower::TextTower(std::shared_ptr<const Checkpoint> checkpoint, Precision precision,
                     WeightPack pack)
    : TextTower(checkpoint, TowerParts(*checkpoint, precision, std::move(pack))) {}

TextTower::TextTower(std::shared_ptr<const Checkpoint> checkpoint, TowerParts parts)
    : checkpoint_(std::move(checkpoint)),
      config_(checkpoint_->config().text),
      token_embedding_(checkpoint_->tensor("text_model.embeddings.token_embedding.weight")),
      position_embedding_(parts.floats("text_model.embeddings.position_embedding.weight")),
      transformer_(parts, "text_model", config_, true),
      final_norm_(parts.layer_norm("text_model.final_layer_norm", config_.layer_norm_eps)),
      projection_(parts.projection("text_projection")),
      rounds_(parts.prepares_code()),
      pack_(parts.take_pack()) {}

int TextTower::pooled_position(std::span<const std::int32_t> ids, std::int32_t end_token) {
  const auto found =
      end_token == 2 ? std::ranges::max_element(ids) : std::ranges::find(ids, end_token);
  // Ids without any end token have no meaning; the last one sees them all.
  return static_cast<int>(std::min(found, ids.end() - 1) - ids.begin());
}

void TextTower::check(std::span<const std::int32_t> ids) const {
  if (ids.empty() || ids.size() > static_cast<std::size_t>(context_length())) {
    throw Error(ErrorKind::kInvalidArgument,
                "embedding a text: it has " + std::to_string(ids.size()) + " ids, expected 1 to " +
                    std::to_string(context_length()));
  }
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= config_.vocab_size) {
      throw Error(ErrorKind::kInvalidArgument, "embedding a text: id " + std::to_string(id) +
                                                   " is outside the vocabulary of " +
                                                   std::to_string(config_.vocab_size));
    }
  }
}

void TextTower::embed(std::span<const std::int32_t> ids, int first_row, Matrix& x) const {
  const auto width = static_cast<std::size_t>(config_.hidden_size);
  const float* position = position_embedding_.data();
  for (const std::int32_t id : ids) {
    const auto out = x.row(first_row++);
    copy_floats(token_embedding_, static_cast<std::size_t>(id) * width, width, out.data());
    for (std::size_t k = 0; k < width; ++k) out[k] += position[k];
    position += width;
  }
}

Matrix TextTower::pool(Matrix& x, std::span<const Sequence> sequences, const Trace& trace) const {
  Matrix pooled = transformer_.forward(x, sequences, trace);
  if (trace) {
    final_norm_.forward(x, x);
    trace("last_hidden_state", x);
  }
  final_norm_.forward(pooled, pooled);
  if (trace) trace("pooler_output", pooled);
  Activations last;
  convert(pooled, projection_.input(), last);
  Matrix embeddings;
  projection_.forward(last, embeddings);
  return embeddings;
}

Matrix TextTower::forward(std::span<const std::vector<std::int32_t>> texts) const {
  for (const auto& ids : texts) check(ids);
  Matrix result(static_cast<int>(texts.size()), dim());
  for (std::size_t begin = 0; begin < texts.size();) {
    std::vector<Sequence> sequences;
    int rows = 0;
    for (std::size_t i = begin; i < texts.size(); ++i) {
      const int count = pooled_position(texts[i], config_.eos_token_id) + 1;
      if (sequences.size() == kTexts || (rows > 0 && rows + count > kRows)) break;
      sequences.push_back({.first = rows, .count = count, .pooled = rows + count - 1});
      rows += count;
    }
    const std::size_t batch = sequences.size();
    Matrix x(rounds_ ? rounded(rows) : rows, config_.hidden_size);
    for (std::size_t i = 0; i < batch; ++i) {
      const auto count = static_cast<std::size_t>(sequences[i].count);
      embed(std::span(texts[begin + i]).first(count), sequences[i].first, x);
    }
    const Matrix pooled = pool(x, sequences, {});
    for (std::size_t i = 0; i < batch; ++i) {
      std::ranges::copy(pooled.row(static_cast<int>(i)),
                        result.row(static_cast<int>(begin + i)).begin());
    }
    begin += batch;
  }
  return result;
}

Matrix TextTower::forward_traced(const std::vector<std::int32_t>& ids, const Trace& trace) const {
  check(ids);
  Matrix x(static_cast<int>(ids.size()), config_.hidden_size);
  embed(ids, 0, x);
  trace("embeddings", x);
  const Sequence whole{
      .first = 0, .count = x.rows(), .pooled = pooled_position(ids, config_.eos_token_id)};
  return pool(x, {&whole, 1}, trace);
}

}  // namespace pgmmr
