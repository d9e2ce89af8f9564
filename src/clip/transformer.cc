#include "clip/transformer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "nn/attention.h"
#include "nn/parallel.h"
#include "nn/row_format.h"

namespace pgmmr {

struct Transformer::Scratch {
  // Between layers; float32, bf16 or int8, as the next layer wants.
  Activations normed, pooled_normed, query, key_value, attended, wide, converted;
};

namespace {

constexpr int kHeadsWorthAHelper = 2;

Matrix gather(const Matrix& from, std::span<const Sequence> sequences) {
  Matrix rows(static_cast<int>(sequences.size()), from.cols());
  for (int i = 0; i < rows.rows(); ++i) {
    std::ranges::copy(from.row(sequences[static_cast<std::size_t>(i)].pooled), rows.row(i).begin());
  }
  return rows;
}

// The activations in the form that the layer reads.
const Activations& input_of(const Linear& layer, const Activations& from, Activations& converted) {
  if (from.number() == layer.input()) return from;
  convert(from, layer.input(), converted);
  return converted;
}

}  // namespace

Transformer::Transformer(TowerParts& parts, const std::string& name, const TowerConfig& config,
                         bool causal)
    : heads_(config.num_attention_heads), causal_(causal) {
  const Epilogue activation =
      config.hidden_act == Activation::kGelu ? Epilogue::kGelu : Epilogue::kQuickGelu;
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    const std::string at = name + ".encoder.layers." + std::to_string(i) + ".";
    const std::string attention = at + "self_attn.";
    // Queries stay apart from keys and values: the last block needs them for one row only.
    blocks_.push_back({
        .norm1 = parts.layer_norm(at + "layer_norm1", config.layer_norm_eps),
        .norm2 = parts.layer_norm(at + "layer_norm2", config.layer_norm_eps),
        .query = parts.linear({attention + "q_proj"}, Epilogue::kStore),
        .key_value = parts.linear({attention + "k_proj", attention + "v_proj"}, Epilogue::kStore),
        .out = parts.linear_after_attention(attention + "out_proj", Epilogue::kAdd, causal),
        .up = parts.linear({at + "mlp.fc1"}, activation),
        .down = parts.linear({at + "mlp.fc2"}, Epilogue::kAdd),
    });
  }
}

void Transformer::feed_forward(const Block& block, Matrix& x, Scratch& scratch) const {
  block.norm2.forward(x, block.up.input(), scratch.normed);
  // The wide activations of many rows in parts, each used up while the cache has it.
  const int part = block.down.inputs_at_a_time(x.rows());
  for (int first = 0; first < block.down.in(); first += part) {
    const int count = std::min(part, block.down.in() - first);
    block.up.forward_outputs(scratch.normed, first, count, scratch.wide);
    block.down.forward_inputs(input_of(block.down, scratch.wide, scratch.converted), first, x);
  }
}

// scratch.query and key_value to attended: a row for each row, or for each sequence.
void Transformer::attend_all(std::span<const Sequence> sequences, bool pooled_only,
                             Scratch& scratch) const {
  Activations& attended = scratch.attended;
  attended.reshape(scratch.query.number(), scratch.query.rows(), scratch.query.cols());
  if (!pooled_only) {  // rows behind the last sequence must be finite
    const int used = sequences.back().first + sequences.back().count;
    if (used < attended.rows()) {
      std::memset(attended.row<char>(used), 0,
                  static_cast<std::size_t>(attended.stride() * (attended.rows() - used)));
    }
  }
  const int all_heads = static_cast<int>(sequences.size()) * heads_;
  for_each_range(all_heads, kHeadsWorthAHelper, [&](int begin, int end) {
    for (int at = begin; at < end;) {
      const int i = at / heads_, first_head = at % heads_;
      const int end_head = std::min(heads_, first_head + end - at);
      const Sequence& sequence = sequences[static_cast<std::size_t>(i)];
      AttentionCall call{.queries = &scratch.query,
                         .keys_values = &scratch.key_value,
                         .out = &attended,
                         .first_query = sequence.first,
                         .query_count = sequence.count,
                         .first_key = sequence.first,
                         .key_count = sequence.count,
                         .heads = heads_,
                         .causal = causal_};
      if (pooled_only) {
        call.first_query = i;
        call.query_count = 1;
        call.key_count = causal_ ? sequence.pooled - sequence.first + 1 : sequence.count;
        call.causal = false;
      }
      attend(call, first_head, end_head);
      at += end_head - first_head;
    }
  });
}

void Transformer::run(const Block& block, Matrix& x, std::span<const Sequence> sequences,
                      Scratch& scratch) const {
  block.norm1.forward(x, block.query.input(), scratch.normed);
  block.query.forward(scratch.normed, scratch.query);
  block.key_value.forward(scratch.normed, scratch.key_value);
  attend_all(sequences, false, scratch);
  block.out.forward(input_of(block.out, scratch.attended, scratch.converted), x);
  feed_forward(block, x, scratch);
}

// As run, for the pooled rows alone: keys and values of all rows are needed, nothing else is.
Matrix Transformer::run_pooled(const Block& block, const Matrix& x,
                               std::span<const Sequence> sequences, Scratch& scratch) const {
  Matrix pooled = gather(x, sequences);
  block.norm1.forward(x, block.key_value.input(), scratch.normed);
  block.key_value.forward(scratch.normed, scratch.key_value);
  block.norm1.forward(pooled, block.query.input(), scratch.pooled_normed);
  block.query.forward(scratch.pooled_normed, scratch.query);
  attend_all(sequences, true, scratch);
  block.out.forward(input_of(block.out, scratch.attended, scratch.converted), pooled);
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
