#include "nn/onednn_product.h"

#include <omp.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>
#include <shared_mutex>
#include <string>
#include <utility>

#include "base/error.h"

namespace pgmmr {
namespace {

using dnnl::matmul;
using dnnl::memory;
using Shape = OneDnnProduct::Shape;

constexpr auto kPlain = memory::format_tag::ab;  // row-major
constexpr int kUsualRows = 64;                   // decides the weights' layout

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

// oneDNN reads the team's size where a primitive is made and where it runs; both are on this
// thread.
void stay_on_this_thread() { omp_set_num_threads(1); }

dnnl::stream& stream() {
  thread_local dnnl::stream one(engine());
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

memory::data_type type_of(Number number) {
  switch (number) {
    case Number::kBf16:
      return memory::data_type::bf16;
    case Number::kInt8:
      return memory::data_type::s8;
    case Number::kF32:
      break;
  }
  return memory::data_type::f32;
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

matmul::primitive_desc describe(const Shape& shape, int rows, const memory::desc& weights) {
  const auto result =
      shape.number == Number::kInt8 ? memory::data_type::s32 : type_of(shape.result);
  const memory::desc x({rows, shape.in}, type_of(shape.number), kPlain);
  const memory::desc y({rows, shape.out}, result, memory::dims{shape.stride, 1});
  const memory::desc bias =
      shape.bias ? memory::desc({1, shape.out}, memory::data_type::f32, kPlain) : memory::desc();
  const dnnl::primitive_attr attr = attributes(shape.epilogue);
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), x, weights, bias, y, attr};
#else
  return {shape.bias ? matmul::desc(x, weights, bias, y) : matmul::desc(x, weights, y), attr,
          engine()};
#endif
}

memory::desc any_layout(const Shape& shape) {
  return {{shape.in, shape.out}, type_of(shape.number), memory::format_tag::any};
}

[[noreturn]] void rethrow(const dnnl::error& error, const Shape& shape) {
  throw Error(ErrorKind::kInternal, "multiplying matrices of " + std::to_string(shape.in) + " x " +
                                        std::to_string(shape.out) +
                                        " with oneDNN: " + error.what());
}

void reorder(const Shape& shape, memory::data_type type, const void* from, const memory::desc& to,
             std::byte* packed) {
  stay_on_this_thread();
  try {
    memory given(memory::desc({shape.in, shape.out}, type, memory::format_tag::ba), engine(),
                 const_cast<void*>(from));
    memory laid_out(to, engine(), packed);
    dnnl::reorder(given, laid_out).execute(stream(), given, laid_out);
    stream().wait();
  } catch (const dnnl::error& error) {
    rethrow(error, shape);
  }
}

}  // namespace

struct OneDnnProduct::State {
  struct Plan {
    matmul::primitive_desc desc;
    matmul primitive;
  };

  explicit State(const Shape& shape_)
      : shape(shape_), weights(describe(shape, kUsualRows, any_layout(shape)).weights_desc()) {}

  const Plan& plan_for(int rows) {
    {
      const std::shared_lock lock(mutex);
      if (const auto it = plans.find(rows); it != plans.end()) return it->second;
    }
    // Made outside the lock: two threads may make the same, one of them wins.
    matmul::primitive_desc desc = describe(shape, rows, weights);
    matmul primitive(desc);
    const std::unique_lock lock(mutex);
    return plans.try_emplace(rows, Plan{std::move(desc), std::move(primitive)}).first->second;
  }

  const Shape shape;
  const memory::desc weights;
  std::shared_mutex mutex;
  std::map<int, Plan> plans;  // guarded by mutex; entries never move or go
};

OneDnnProduct::OneDnnProduct(const Shape& shape) {
  stay_on_this_thread();
  try {
    state_ = std::make_unique<State>(shape);
  } catch (const dnnl::error& error) {
    rethrow(error, shape);
  }
}

OneDnnProduct::~OneDnnProduct() = default;

std::shared_ptr<OneDnnProduct> OneDnnProduct::of(const Shape& shape) {
  static std::mutex mutex;
  static std::map<Shape, std::shared_ptr<OneDnnProduct>> products;  // guarded by mutex
  const std::lock_guard lock(mutex);
  std::shared_ptr<OneDnnProduct>& product = products[shape];
  if (!product) product.reset(new OneDnnProduct(shape));
  return product;
}

std::size_t OneDnnProduct::packed_bytes() const { return state_->weights.get_size(); }

void OneDnnProduct::pack(const float* weights, std::byte* to) const {
  reorder(state_->shape, memory::data_type::f32, weights, state_->weights, to);
}

void OneDnnProduct::pack(const std::int8_t* weights, std::byte* to) const {
  reorder(state_->shape, memory::data_type::s8, weights, state_->weights, to);
}

void OneDnnProduct::run(const void* x, int rows, const std::byte* packed, const float* bias,
                        void* y) {
  stay_on_this_thread();
  try {
    const State::Plan& plan = state_->plan_for(rows);
    const memory::desc scratch = plan.desc.scratchpad_desc();
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, memory(plan.desc.src_desc(), engine(), const_cast<void*>(x))},
        {DNNL_ARG_WEIGHTS, memory(state_->weights, engine(), const_cast<std::byte*>(packed))},
        {DNNL_ARG_DST, memory(plan.desc.dst_desc(), engine(), y)},
        {DNNL_ARG_SCRATCHPAD, memory(scratch, engine(), scratchpad(scratch.get_size()))}};
    if (state_->shape.bias) {
      arguments.emplace(DNNL_ARG_BIAS,
                        memory(memory::desc({1, state_->shape.out}, memory::data_type::f32, kPlain),
                               engine(), const_cast<float*>(bias)));
    }
    plan.primitive.execute(stream(), arguments);
    stream().wait();
  } catch (const dnnl::error& error) {
    rethrow(error, state_->shape);
  }
}

}  // namespace pgmmr
