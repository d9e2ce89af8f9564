// A function marked PGMMR_CLONES exists once for each generation of x86-64 and is chosen when the
// program starts, by what the CPU has.
#pragma once

// Sanitizers instrument the resolver that picks a clone, which runs before they are ready; clang
// builds only the fuzzers.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define PGMMR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PGMMR_CLONES
#endif

// What a clone is made of must be inlined into it to take its instructions.
#define PGMMR_INLINE __attribute__((always_inline)) inline
