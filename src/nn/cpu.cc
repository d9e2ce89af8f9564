#include "nn/cpu.h"

#include <fmt/format.h>

#include <array>
#include <oneapi/dnnl/dnnl.hpp>

#if defined(__x86_64__)
#include <asm/prctl.h>
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace pgmmr {
namespace {

// Each value is a set of bits that holds those of the instructions it builds on.
bool includes(dnnl::cpu_isa all, dnnl::cpu_isa part) {
  return (static_cast<unsigned>(all) & static_cast<unsigned>(part)) == static_cast<unsigned>(part);
}

#if defined(__x86_64__)
// Linux gives a process the tiles' registers when it asks (Documentation/arch/x86/xstate.rst).
bool tiles_are_permitted() {
  constexpr int kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}
#endif

std::string name_of(dnnl::cpu_isa isa) {
  struct Row {
    dnnl::cpu_isa isa;
    const char* name;
  };
  static constexpr std::array kRows = {Row{dnnl::cpu_isa::avx512_core_amx, "avx512_core_amx"},
                                       Row{dnnl::cpu_isa::avx512_core_bf16, "avx512_core_bf16"},
                                       Row{dnnl::cpu_isa::avx512_core_vnni, "avx512_core_vnni"},
                                       Row{dnnl::cpu_isa::avx512_core, "avx512_core"},
                                       Row{dnnl::cpu_isa::avx2_vnni, "avx2_vnni"},
                                       Row{dnnl::cpu_isa::avx2, "avx2"},
                                       Row{dnnl::cpu_isa::avx, "avx"},
                                       Row{dnnl::cpu_isa::sse41, "sse41"}};
  for (const Row& row : kRows) {
    if (includes(isa, row.isa)) return row.name;
  }
  return "generic";
}

#if defined(__x86_64__)
// Asked by hand: clang 14's __builtin_cpu_supports does not know the name.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

Cpu ask() {
  Cpu found;
#if defined(__x86_64__)
  const dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
  found.isa = name_of(isa);
  // oneDNN does not tell F16C apart: no CPU has had AVX2 without it, but a hypervisor may hide it.
  found.f16c = includes(isa, dnnl::cpu_isa::avx2) && has_f16c();
  found.avx512 = includes(isa, dnnl::cpu_isa::avx512_core);
  found.vnni =
      includes(isa, dnnl::cpu_isa::avx512_core_vnni) || includes(isa, dnnl::cpu_isa::avx2_vnni);
  found.bf16 = includes(isa, dnnl::cpu_isa::avx512_core_bf16);
  found.amx = found.bf16 && includes(isa, dnnl::cpu_isa::avx512_core_amx) && tiles_are_permitted();
#else
  found.isa = "generic";
#endif
  return found;
}

}  // namespace

const Cpu& cpu() {
  static const Cpu found = ask();
  return found;
}

std::string kernel_library() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("oneDNN {}.{}.{} ({})", version->major, version->minor, version->patch,
                     version->hash);
}

}  // namespace pgmmr
