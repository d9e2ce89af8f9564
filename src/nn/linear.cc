#include "nn/linear.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/error.h"
#include "nn/cpu.h"
#include "nn/dequantise.h"
#include "nn/few_rows_product.h"
#include "nn/onednn_product.h"
#include "nn/parallel.h"
#include "nn/tile_product.h"
#include "nn/vnni_product.h"

namespace pgmmr {
namespace {

Number number_of(Precision precision) {
  switch (precision) {
    case Precision::kBf16:
      return Number::kBf16;
    case Precision::kInt8:
      return Number::kInt8;
    default:
      return Number::kF32;
  }
}

// What an integer of each output stands for: the largest weight is 127. Not finite where a weight
// is not, so that damage is not rounded away.
void find_scales(const Linear::Shape& shape, const std::vector<float>& weights,
                 std::span<float> scales) {
  const auto in = static_cast<std::size_t>(shape.in);
  for (std::size_t o = 0; o < scales.size(); ++o) {
    float largest = 0;
    for (const float weight : std::span(weights).subspan(o * in, in)) {
      const float size = std::abs(weight);
      largest = size > largest || !std::isfinite(size) ? size : largest;
      if (!std::isfinite(size)) break;
    }
    scales[o] = largest / 127;
  }
}

std::vector<std::int8_t> quantised(const Linear::Shape& shape, const std::vector<float>& weights,
                                   std::span<const float> scales) {
  std::vector<std::int8_t> integers(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const float scale = scales[i / static_cast<std::size_t>(shape.in)];
    const bool usable = std::isfinite(scale) && scale > 0;
    integers[i] = static_cast<std::int8_t>(usable ? std::lround(weights[i] / scale) : 0);
  }
  return integers;
}

// Cores that share a product share its outputs, so that each reads its own weights: one picture
// with two cores takes 50 ms for 92 (ViT-B/32, float32). oneDNN's blocks are 64 outputs wide.
int slices_of(const Linear::Shape& shape) {
  const int slices = shape.out >= 1024 ? 4 : shape.out >= 512 ? 2 : 1;
  return shape.many_rows && shape.out % (64 * slices) == 0 ? slices : 1;
}

// Rows that are worth a helper: oneDNN is a little slower on few.
constexpr int kWorthAHelper = 12;

// Sums of int8 products that wait for their epilogue, while the weights stay in the cache.
constexpr int kInt8Rows = 128;

}  // namespace

Number between_layers(Precision precision) {
  return precision != Precision::kF32 && cpu().bf16 ? Number::kBf16 : Number::kF32;
}

bool prepares_code(Precision precision) {
  return panel::kernel_for(number_of(precision), false) == panel::Kernel::kNone;
}

struct Linear::State {
  Shape shape;
  panel::Kernel kernel = panel::Kernel::kNone;
  panel::Layer layer;                             // where one of our kernels multiplies
  std::shared_ptr<OneDnnProduct> floats, halves;  // else oneDNN does, by what they give:
  int slices = 1;                                 // so many, each some of the outputs
  std::optional<WeightPack> own;
  std::span<const std::byte> packed;
  std::span<const float> bias, scales;

  void load(WeightPack& pack, const std::function<Weights()>& read);
  // Whether our kernel can take some of the inputs, or give some of the outputs.
  bool takes_parts() const {
    return kernel == panel::Kernel::kTiles || kernel == panel::Kernel::kVnni;
  }
};

// Where a result goes: one of the two.
struct Linear::Result {
  float* floats = nullptr;
  Activations* between = nullptr;
};

void Linear::State::load(WeightPack& pack, const std::function<Weights()>& read) {
  std::optional<Weights> made;
  const auto weights = [&]() -> const Weights& {
    if (!made) {
      made = read();
      const auto in = static_cast<std::size_t>(shape.in), out = static_cast<std::size_t>(shape.out);
      if (made->weights.size() != in * out || made->bias.size() != (shape.bias ? out : 0)) {
        throw Error(ErrorKind::kInternal, "a linear layer's weights do not have its shape");
      }
    }
    return *made;
  };
  const auto out = static_cast<std::size_t>(shape.out);
  const Number number = number_of(shape.precision);
  if (shape.bias) {
    bias = pack.floats(out,
                       [&](std::span<float> to) { std::ranges::copy(weights().bias, to.begin()); });
  }
  if (number == Number::kInt8) {
    scales =
        pack.floats(out, [&](std::span<float> to) { find_scales(shape, weights().weights, to); });
  }
  kernel = panel::kernel_for(number, shape.many_rows);
  layer = {shape.in, shape.out, number, shape.epilogue};
  if (kernel == panel::Kernel::kTiles) {
    packed = pack.part(tiles::packed_bytes(layer), [&](std::span<std::byte> to) {
      tiles::pack(layer, weights().weights.data(), scales.data(), to.data());
    });
    return;
  }
  if (kernel == panel::Kernel::kVnni) {
    packed = pack.part(vnni::packed_bytes(layer), [&](std::span<std::byte> to) {
      vnni::pack(layer, weights().weights.data(), scales.data(), to.data());
    });
    return;
  }
  if (kernel == panel::Kernel::kFewRows) {
    const auto fits = pack.floats(1, [&](std::span<float> to) {
      to[0] = few_rows::fit_f16(weights().weights) ? 1.0f : 0.0f;
    });
    layer.f16_weights = fits[0] != 0;
    packed = pack.part(few_rows::packed_bytes(layer), [&](std::span<std::byte> to) {
      few_rows::pack(layer, weights().weights.data(), to.data());
    });
    return;
  }
  const bool int8 = number == Number::kInt8;
  slices = int8 ? 1 : slices_of(shape);
  OneDnnProduct::Shape product{.in = shape.in,
                               .out = shape.out / slices,
                               .stride = shape.out,
                               .bias = shape.bias && !int8,
                               .epilogue = int8 ? Epilogue::kStore : shape.epilogue,
                               .number = number,
                               .result = Number::kF32};
  floats = OneDnnProduct::of(product);
  if (number == Number::kBf16 && shape.epilogue != Epilogue::kAdd) {
    product.result = Number::kBf16;
    halves = OneDnnProduct::of(product);
    if (halves->packed_bytes() != floats->packed_bytes()) {
      throw Error(ErrorKind::kInternal, "oneDNN lays out weights by what the result is stored as");
    }
  }
  const std::size_t slice_bytes = floats->packed_bytes();
  packed = pack.part(slice_bytes * static_cast<std::size_t>(slices), [&](std::span<std::byte> to) {
    if (int8) {
      floats->pack(quantised(shape, weights().weights, scales).data(), to.data());
      return;
    }
    for (int slice = 0; slice < slices; ++slice) {
      floats->pack(weights().weights.data() + std::ptrdiff_t{slice} * product.out * shape.in,
                   to.data() + static_cast<std::size_t>(slice) * slice_bytes);
    }
  });
}

Linear::Linear(const Shape& shape, WeightPack& pack, const std::function<Weights()>& read) {
  auto state = std::make_unique<State>();
  state->shape = shape;
  state->load(pack, read);
  state_ = std::move(state);
}

Linear::Linear(const Shape& shape, const Weights& weights) {
  auto state = std::make_unique<State>();
  state->shape = shape;
  state->load(state->own.emplace(), [&] { return weights; });
  state_ = std::move(state);
}

Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;
Linear::~Linear() = default;

int Linear::in() const { return state_->shape.in; }
int Linear::out() const { return state_->shape.out; }
Number Linear::input() const { return number_of(state_->shape.precision); }

void Linear::run(const Activations& x, const Result& y, int first_input, int first_output) const {
  const State& state = *state_;
  const bool halves = y.between != nullptr && y.between->number() == Number::kBf16;
  float* floats = y.between != nullptr && !halves ? y.between->row<float>(0) : y.floats;
  if (state.kernel != panel::Kernel::kNone) {
    panel::Call call{.packed = state.packed.data(),
                     .bias = state.bias.empty() ? nullptr : state.bias.data(),
                     .scales = state.scales.data(),
                     .x = &x,
                     .first_input = first_input,
                     .first_output = first_output,
                     .outputs = y.between != nullptr ? y.between->cols() : out()};
    if (halves) {
      call.halves = y.between->row<Bf16>(0);
      call.result_stride = y.between->stride();
    } else {
      call.floats = floats;
      call.result_stride = static_cast<std::ptrdiff_t>(sizeof(float)) * call.outputs;
    }
    if (state.kernel == panel::Kernel::kTiles) return tiles::multiply(state.layer, call);
    if (state.kernel == panel::Kernel::kVnni) return vnni::multiply(state.layer, call);
    return few_rows::multiply(state.layer, call);
  }
  const auto offset = [&](int row) { return static_cast<std::ptrdiff_t>(row) * out(); };
  if (input() != Number::kInt8) {
    const auto multiply = [&](int slice, int begin, int end) {
      const int first = slice * (out() / state.slices);
      const std::byte* packed =
          state.packed.data() + static_cast<std::size_t>(slice) * state.floats->packed_bytes();
      const float* bias = state.bias.empty() ? nullptr : state.bias.data() + first;
      if (halves) {
        state.halves->run(x.row<char>(begin), end - begin, packed, bias,
                          y.between->row<Bf16>(begin) + first);
      } else {
        state.floats->run(x.row<char>(begin), end - begin, packed, bias,
                          floats + offset(begin) + first);
      }
    };
    if (state.slices > 1) {
      for_each_range(state.slices, 1, [&](int begin, int end) {
        for (int slice = begin; slice < end; ++slice) multiply(slice, 0, x.rows());
      });
      return;
    }
    // Each part reads all weights.
    for_each_range(x.rows(), coarse_grain(x.rows(), kWorthAHelper),
                   [&](int begin, int end) { multiply(0, begin, end); });
    return;
  }
  for_each_range(x.rows(), coarse_grain(x.rows(), kWorthAHelper), [&](int begin, int end) {
    thread_local std::vector<std::int32_t> sums;
    for (int row = begin; row < end; row += kInt8Rows) {
      const int rows = std::min(kInt8Rows, end - row);
      sums.resize(std::max(sums.size(), static_cast<std::size_t>(offset(rows))));
      state.floats->run(x.row<char>(row), rows, state.packed.data(), nullptr, sums.data());
      for (int i = 0; i < rows; ++i) {
        const Int8Sums from{sums.data() + offset(i), x.scales()[row + i], state.scales.data(),
                            state.bias.empty() ? nullptr : state.bias.data(), out()};
        if (halves) {
          dequantise(from, state.shape.epilogue, y.between->row<Bf16>(row + i));
        } else {
          dequantise(from, state.shape.epilogue, floats + offset(row + i));
        }
      }
    }
  });
}

void Linear::check(bool fits) {
  if (!fits) throw Error(ErrorKind::kInternal, "a linear layer was given another shape or form");
}

int Linear::inputs_at_a_time(int rows) const {
  // Half of the second-level cache of a CPU with tiles, in bf16.
  constexpr std::int64_t kNumbers = 512 * 1024;
  return state_->takes_parts() && std::int64_t{rows} * in() > kNumbers
             ? panel::chunk_inputs(state_->layer)
             : in();
}

void Linear::forward(const Activations& x, Matrix& y) const {
  const bool fits = y.rows() == x.rows() && y.cols() == out();
  check(x.cols() == in() && x.number() == input());
  check(fits || state_->shape.epilogue != Epilogue::kAdd);
  if (!fits) y = Matrix(x.rows(), out());
  if (x.rows() > 0) run(x, {.floats = y.data()}, 0, 0);
}

void Linear::forward_inputs(const Activations& x, int first_input, Matrix& y) const {
  if (x.cols() == in() && first_input == 0) return forward(x, y);
  check(state_->takes_parts() && state_->shape.epilogue == Epilogue::kAdd);
  const int part = panel::chunk_inputs(state_->layer), end = first_input + x.cols();
  check(x.number() == input() && y.rows() == x.rows() && y.cols() == out());
  check(first_input >= 0 && first_input % part == 0 && end <= in() &&
        (end % part == 0 || end == in()));
  if (x.rows() > 0) run(x, {.floats = y.data()}, first_input, 0);
}

void Linear::forward(const Activations& x, Activations& y) const {
  forward_outputs(x, 0, out(), y);
}

void Linear::forward_outputs(const Activations& x, int first_output, int outputs,
                             Activations& y) const {
  check(x.cols() == in() && x.number() == input() && state_->shape.epilogue != Epilogue::kAdd);
  const bool whole = first_output == 0 && outputs == out();
  check(whole || state_->takes_parts());
  check(first_output >= 0 && first_output % panel::kOutputs == 0 &&
        outputs <= out() - first_output);
  y.reshape(between_layers(state_->shape.precision), x.rows(), outputs);
  if (x.rows() > 0) run(x, {.between = &y}, 0, first_output);
}

}  // namespace pgmmr
