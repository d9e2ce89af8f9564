#include "clip/transformer.h"

#include <algorithm>
#include <utility>

#include "nn/attention.h"

namespace pgmmr {

struct Transformer::Scratch {
  Matrix normed, query, key_value, attended, wide;
};

namespace {

Matrix gather(const Matrix& from, std::span<const Sequence> sequences) {
  Matrix rows(static_cast<int>(sequences.size()), from.cols());
  for (int i = 0; i < rows.rows(); ++i) {
    std::ranges::copy(from.row(sequences[static_cast<std::size_t>(i)].pooled), rows.row(i).begin());
  }
  return rows;
}

}  // namespace

Transformer::Transformer(const Checkpoint& checkpoint, const std::string& name,
                         const TowerConfig& config, bool causal)
    : heads_(config.num_attention_heads), causal_(causal) {
  const Epilogue activation =
      config.hidden_act == Activation::kGelu ? Epilogue::kGelu : Epilogue::kQuickGelu;
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    const std::string at = name + ".encoder.layers." + std::to_string(i) + ".";
    const std::string attention = at + "self_attn.";
    // Queries stay apart from keys and values: the last block needs them for one row only.
    blocks_.push_back({
        .norm1 = checkpoint.layer_norm(at + "layer_norm1", config.layer_norm_eps),
        .norm2 = checkpoint.layer_norm(at + "layer_norm2", config.layer_norm_eps),
        .query = checkpoint.linear({attention + "q_proj"}, Epilogue::kStore),
        .key_value =
            checkpoint.linear({attention + "k_proj", attention + "v_proj"}, Epilogue::kStore),
        .out = checkpoint.linear({attention + "out_proj"}, Epilogue::kAdd),
        .up = checkpoint.linear({at + "mlp.fc1"}, activation),
        .down = checkpoint.linear({at + "mlp.fc2"}, Epilogue::kAdd),
    });
  }
}

void Transformer::feed_forward(const Block& block, Matrix& x, Scratch& scratch) const {
  block.norm2.forward(x, scratch.normed);
  block.up.forward(scratch.normed, scratch.wide);
  block.down.forward(scratch.wide, x);
}

void Transformer::run(const Block& block, Matrix& x, std::span<const Sequence> sequences,
                      Scratch& scratch) const {
  block.norm1.forward(x, scratch.normed);
  block.query.forward(scratch.normed, scratch.query);
  block.key_value.forward(scratch.normed, scratch.key_value);
  // Zero at first, so that rows outside all sequences stay finite.
  if (scratch.attended.rows() != x.rows()) scratch.attended = Matrix(x.rows(), x.cols());
  for (const Sequence& sequence : sequences) {
    attend({.queries = &scratch.query,
            .keys_values = &scratch.key_value,
            .out = &scratch.attended,
            .first_query = sequence.first,
            .query_count = sequence.count,
            .first_key = sequence.first,
            .key_count = sequence.count,
            .heads = heads_,
            .causal = causal_});
  }
  block.out.forward(scratch.attended, x);
  feed_forward(block, x, scratch);
}

// As run, for the pooled rows alone: keys and values of all rows are needed, nothing else is.
Matrix Transformer::run_pooled(const Block& block, const Matrix& x,
                               std::span<const Sequence> sequences, Scratch& scratch) const {
  block.norm1.forward(x, scratch.normed);
  block.key_value.forward(scratch.normed, scratch.key_value);
  Matrix query, attended(static_cast<int>(sequences.size()), x.cols());
  block.query.forward(gather(scratch.normed, sequences), query);
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const Sequence& sequence = sequences[i];
    attend({.queries = &query,
            .keys_values = &scratch.key_value,
            .out = &attended,
            .first_query = static_cast<int>(i),
            .query_count = 1,
            .first_key = sequence.first,
            .key_count = causal_ ? sequence.pooled - sequence.first + 1 : sequence.count,
            .heads = heads_});
  }
  Matrix pooled = gather(x, sequences);
  block.out.forward(attended, pooled);
  feed_forward(block, pooled, scratch);
  return pooled;
}

Matrix Transformer::forward(Matrix& x, std::span<const Sequence> sequences,
                            const Trace& trace) const {
  Scratch scratch;
  for (std::size_t i = 0; i + 1 < blocks_.size(); ++i) {
    run(blocks_[i], x, sequences, scratch);
    if (trace) trace("after_layer" + std::to_string(i + 1), x);
  }
  Matrix pooled = run_pooled(blocks_.back(), x, sequences, scratch);
  if (trace) {
    run(blocks_.back(), x, sequences, scratch);
    trace("after_layer" + std::to_string(blocks_.size()), x);
  }
  return pooled;
}

}  // namespace pgmmr
