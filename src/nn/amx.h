// For the files whose functions use AMX: everything between PGMMR_AMX_BEGIN and PGMMR_AMX_END is
// compiled for tiles, AVX512-BF16 and what comes with them, and may run only where cpu().amx.
//
// A tile's shape is part of the CPU's state: configure() sets it for this thread, release() gives
// it up, so that a switch of threads does not save eight kilobytes.
#pragma once

#if defined(__x86_64__)

#include <cstdint>

#include "nn/avx512.h"

// clang-format off
#define PGMMR_AMX_BEGIN \
  PGMMR_INSTRUCTIONS_BEGIN("amx-tile,amx-bf16,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")
// clang-format on
#define PGMMR_AMX_END PGMMR_INSTRUCTIONS_END

namespace pgmmr::amx {

constexpr int kTileRows = 16;
constexpr int kTileBytes = 64;  // a row of a tile: 32 bf16, 64 int8 or 16 sums

// Tiles 0 to 3 are sums, 0 and 1 of the upper rows, 2 and 3 of the lower; 4 and 5 are upper and
// lower rows; 6 and 7 are weights.
struct alignas(64) Configuration {
  Configuration(int upper, int lower) {
    for (int tile = 0; tile < 8; ++tile) {
      row_bytes[tile] = kTileBytes;
      const bool is_lower = tile == 2 || tile == 3 || tile == 5;
      const int wanted = tile >= 6 ? kTileRows : is_lower ? lower : upper;
      rows[tile] = static_cast<std::uint8_t>(wanted > 0 ? wanted : 1);  // none is a fault
    }
  }
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

}  // namespace pgmmr::amx

#endif
