#include "nn/linear.h"

#include <omp.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>
#include <shared_mutex>
#include <string>
#include <tuple>
#include <utility>

#include "base/error.h"

namespace pgmmr {
namespace {

using dnnl::matmul;
using dnnl::memory;

constexpr auto kF32 = memory::data_type::f32;
constexpr auto kPlain = memory::format_tag::ab;  // row-major
constexpr int kUsualRows = 64;                   // decides the weights' layout

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// oneDNN reads the team's size where a primitive is made and where it runs; both are on this
// thread.
void stay_on_this_thread() { omp_set_num_threads(1); }

dnnl::stream& stream() {
  thread_local dnnl::stream one(cpu());
  return one;
}

// Page-aligned memory that a thread keeps: a primitive's scratchpad is needed only while it runs.
void* scratchpad(std::size_t bytes) {
  struct Free {
    void operator()(void* p) const noexcept { std::free(p); }
  };
  thread_local std::unique_ptr<void, Free> block;
  thread_local std::size_t size = 0;
  if (bytes > size) {
    const std::size_t rounded = (bytes + 4095) / 4096 * 4096;
    block.reset(std::aligned_alloc(4096, rounded));
    size = block ? rounded : 0;
    if (!block) throw std::bad_alloc();
  }
  return block.get();
}

dnnl::primitive_attr attributes(Epilogue epilogue) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);  // what makes a primitive safe to share
  attr.set_fpmath_mode(dnnl::fpmath_mode::strict);        // whatever the environment says
  dnnl::post_ops ops;
  const auto append = [&](dnnl::algorithm what, float alpha) {
#if DNNL_VERSION_MAJOR >= 3
    ops.append_eltwise(what, alpha, 0.0f);
#else
    ops.append_eltwise(1.0f, what, alpha, 0.0f);
#endif
  };
  switch (epilogue) {
    case Epilogue::kStore:
      break;
    case Epilogue::kAdd:
      ops.append_sum(1.0f);
      break;
    case Epilogue::kQuickGelu:
      append(dnnl::algorithm::eltwise_swish, 1.702f);
      break;
    case Epilogue::kGelu:
      append(dnnl::algorithm::eltwise_gelu_erf, 0.0f);
      break;
  }
  attr.set_post_ops(ops);
  return attr;
}

struct Shape {
  int in, out;
  bool bias;
  Epilogue epilogue;
  auto operator<=>(const Shape&) const = default;
};

matmul::primitive_desc describe(const Shape& shape, int rows, const memory::desc& weights) {
  const memory::desc x({rows, shape.in}, kF32, kPlain), y({rows, shape.out}, kF32, kPlain);
  const memory::desc bias =
      shape.bias ? memory::desc({1, shape.out}, kF32, kPlain) : memory::desc();
  const dnnl::primitive_attr attr = attributes(shape.epilogue);
#if DNNL_VERSION_MAJOR >= 3
  return {cpu(), x, weights, bias, y, attr};
#else
  return {matmul::desc(x, weights, bias, y), attr, cpu()};
#endif
}

// oneDNN's code for one shape and any number of rows. Layers of one shape share it.
class Kernel {
 public:
  explicit Kernel(const Shape& shape)
      : shape_(shape),
        weights_(describe(shape, kUsualRows,
                          memory::desc({shape.in, shape.out}, kF32, memory::format_tag::any))
                     .weights_desc()) {}

  const memory::desc& weights() const { return weights_; }

  void run(const float* x, int rows, const memory& weights, const memory* bias, float* y) {
    const Plan& plan = plan_for(rows);
    memory scratch(plan.desc.scratchpad_desc(), cpu(),
                   scratchpad(plan.desc.scratchpad_desc().get_size()));
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, memory(plan.desc.src_desc(), cpu(), const_cast<float*>(x))},
        {DNNL_ARG_WEIGHTS, weights},
        {DNNL_ARG_DST, memory(plan.desc.dst_desc(), cpu(), y)},
        {DNNL_ARG_SCRATCHPAD, scratch}};
    if (bias != nullptr) arguments.emplace(DNNL_ARG_BIAS, *bias);
    plan.primitive.execute(stream(), arguments);
    stream().wait();
  }

 private:
  struct Plan {
    matmul::primitive_desc desc;
    matmul primitive;
  };

  const Plan& plan_for(int rows) {
    {
      const std::shared_lock lock(mutex_);
      if (const auto it = plans_.find(rows); it != plans_.end()) return it->second;
    }
    // Made outside the lock: two threads may make the same, one of them wins.
    matmul::primitive_desc desc = describe(shape_, rows, weights_);
    matmul primitive(desc);
    const std::unique_lock lock(mutex_);
    return plans_.try_emplace(rows, Plan{std::move(desc), std::move(primitive)}).first->second;
  }

  const Shape shape_;
  const memory::desc weights_;
  std::shared_mutex mutex_;
  std::map<int, Plan> plans_;  // guarded by mutex_; entries never move or go
};

std::shared_ptr<Kernel> kernel_for(const Shape& shape) {
  static std::mutex mutex;
  static std::map<Shape, std::shared_ptr<Kernel>> kernels;  // guarded by mutex
  const std::lock_guard lock(mutex);
  std::shared_ptr<Kernel>& kernel = kernels[shape];
  if (!kernel) kernel = std::make_shared<Kernel>(shape);
  return kernel;
}

[[noreturn]] void rethrow(const dnnl::error& error, const Shape& shape) {
  throw Error(ErrorKind::kInternal, "multiplying matrices of " + std::to_string(shape.in) + " x " +
                                        std::to_string(shape.out) +
                                        " with oneDNN: " + error.what());
}

}  // namespace

struct Linear::State {
  Shape shape;
  std::shared_ptr<Kernel> kernel;
  memory weights, bias;
};

Linear::Linear(int in, int out, std::span<const float> weights, std::span<const float> bias,
               Epilogue epilogue) {
  if (weights.size() != static_cast<std::size_t>(in) * static_cast<std::size_t>(out) ||
      (!bias.empty() && bias.size() != static_cast<std::size_t>(out))) {
    throw Error(ErrorKind::kInternal, "a linear layer's weights do not have its shape");
  }
  stay_on_this_thread();
  const Shape shape{in, out, !bias.empty(), epilogue};
  try {
    auto state = std::make_unique<State>();
    state->shape = shape;
    state->kernel = kernel_for(shape);
    memory given(memory::desc({in, out}, kF32, memory::format_tag::ba), cpu(),
                 const_cast<float*>(weights.data()));
    state->weights = memory(state->kernel->weights(), cpu());
    dnnl::reorder(given, state->weights).execute(stream(), given, state->weights);
    if (!bias.empty()) {
      memory given_bias(memory::desc({1, out}, kF32, kPlain), cpu(),
                        const_cast<float*>(bias.data()));
      state->bias = memory(given_bias.get_desc(), cpu());
      dnnl::reorder(given_bias, state->bias).execute(stream(), given_bias, state->bias);
    }
    stream().wait();
    state_ = std::move(state);
  } catch (const dnnl::error& error) {
    rethrow(error, shape);
  }
}

Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;
Linear::~Linear() = default;

int Linear::in() const { return state_->shape.in; }
int Linear::out() const { return state_->shape.out; }

void Linear::forward(const float* x, int rows, float* y) const {
  if (rows == 0) return;
  stay_on_this_thread();
  try {
    state_->kernel->run(x, rows, state_->weights, state_->shape.bias ? &state_->bias : nullptr, y);
  } catch (const dnnl::error& error) {
    rethrow(error, state_->shape);
  }
}

void Linear::forward(const Matrix& x, Matrix& y) const {
  const bool fits = y.rows() == x.rows() && y.cols() == out();
  if (x.cols() != in() || (state_->shape.epilogue == Epilogue::kAdd && !fits)) {
    throw Error(ErrorKind::kInternal, "a linear layer was given matrices of another shape");
  }
  if (!fits) y = Matrix(x.rows(), out());
  forward(x.data(), x.rows(), y.data());
}

}  // namespace pgmmr
