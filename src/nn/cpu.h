// Which instructions the engine may use: the CPU's own, less what the user takes away.
//
// oneDNN is asked, because it honours ONEDNN_MAX_CPU_ISA (DNNL_MAX_CPU_ISA), knows which of the
// CPU's instructions the operating system supports, and our own kernels must stay within what its
// kernels use, or a limited run would prove nothing.
#pragma once

#include <string>

namespace pgmmr {

struct Cpu {
  bool f16c = false;    // AVX2 and F16C: half floats become floats as they are loaded
  bool avx512 = false;  // F, BW, DQ, VL
  bool vnni = false;    // AVX512-VNNI or AVX-VNNI: int8 products that don't saturate
  bool bf16 = false;    // AVX512-BF16
  bool amx = false;     // AMX-BF16 and AMX-INT8, and the kernel lets this process use them
  std::string isa;      // "avx512_core_amx", for messages and keys
};

//   threads  safe to call at once; the first call settles the limit for the whole process
const Cpu& cpu();

// "oneDNN 2.6.3 (hash)": whose kernels laid out packed weights.
std::string kernel_library();

}  // namespace pgmmr
