// Sixteen floats at a time, in the instructions of the CPU the program runs on.
//
// The compiler lowers the vector type to what each clone may use: one AVX-512 register, two of
// AVX2, four of SSE2 or NEON. A function marked PGMMR_CLONES exists once for each and is chosen
// when the program starts.
#pragma once

#include <cstdint>

// Sanitizers instrument the resolver that picks a clone, which runs before they are ready; clang
// builds only the fuzzers.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define PGMMR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PGMMR_CLONES
#endif

// What a clone is made of must be inlined into it to take its instructions. Vectors are passed by
// reference: by value they would have an ABI that depends on the instructions.
#define PGMMR_INLINE __attribute__((always_inline)) inline

namespace pgmmr::vector {

constexpr int kLanes = 16;
typedef float Floats __attribute__((vector_size(64)));
typedef std::int32_t Ints __attribute__((vector_size(64)));
typedef float UnalignedFloats __attribute__((vector_size(64), aligned(4), may_alias));

PGMMR_INLINE void load(const float* from, Floats& to) {
  to = *reinterpret_cast<const UnalignedFloats*>(from);
}
PGMMR_INLINE void store(const Floats& from, float* to) {
  *reinterpret_cast<UnalignedFloats*>(to) = from;
}

constexpr int round_up(int n) { return (n + kLanes - 1) / kLanes * kLanes; }

}  // namespace pgmmr::vector
