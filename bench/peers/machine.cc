// What this machine can do at best, one line a limit: "name threads value unit".
//
//     machine [THREADS]
//
// Multiply-adds (each counted as two operations) on registers alone, as many independent chains as
// hide the latency, in each of the forms that the CPU has; and reading memory that no cache holds.
// A kernel can't be faster than these, whoever wrote it.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

using Clock = std::chrono::steady_clock;

// Operations or bytes a second of work(), which does `each` of them, run on all threads at once:
// the best of a few tries, as whatever disturbs only slows down.
double best_rate(int threads, double each, const std::function<void()>& work) {
  double best = 0;
  for (int attempt = 0; attempt < 7; ++attempt) {
    std::latch ready(threads + 1);
    std::vector<double> seconds(static_cast<std::size_t>(threads));
    {
      std::vector<std::jthread> team;
      for (double& mine : seconds) {
        team.emplace_back([&] {
          ready.arrive_and_wait();
          const auto start = Clock::now();
          work();
          mine = std::chrono::duration<double>(Clock::now() - start).count();
        });
      }
      ready.arrive_and_wait();
    }
    double rate = 0;
    for (const double mine : seconds) rate += each / mine;
    best = std::max(best, rate);
  }
  return best;
}

// Keeps the compiler from seeing through a result.
template <typename T>
void keep(const T& value) {
  asm volatile("" : : "m"(value) : "memory");
}

constexpr int kSteps = 2'000'000;

void fma_any_cpu() {
  constexpr int kChains = 64;  // as wide as the compiler's vectors like
  float sums[kChains], factor = 0.999F, more = 0.001F;
  for (int i = 0; i < kChains; ++i) sums[i] = static_cast<float>(i);
  for (int step = 0; step < kSteps; ++step) {
    for (float& sum : sums) sum = sum * factor + more;
    asm volatile("" : : : "memory");
  }
  keep(sums);
}

#if defined(__x86_64__)

// In the assembler's words: the compiler would see that all chains hold the same and make one of
// them, or move them about. registers: "x", or "v" with AVX-512, where one of the upper half may be
// chosen.
#define PGMMR_STEP(instruction, registers, s) \
  asm volatile(instruction " %1, %2, %0" : "+" registers(s) : registers(a), registers(b))
#define PGMMR_CHAINS(registers, zero, instruction)     \
  do {                                                 \
    auto s0 = zero, s1 = zero, s2 = zero, s3 = zero;   \
    auto s4 = zero, s5 = zero, s6 = zero, s7 = zero;   \
    auto s8 = zero, s9 = zero, s10 = zero, s11 = zero; \
    for (int i = 0; i < kSteps; ++i) {                 \
      PGMMR_STEP(instruction, registers, s0);          \
      PGMMR_STEP(instruction, registers, s1);          \
      PGMMR_STEP(instruction, registers, s2);          \
      PGMMR_STEP(instruction, registers, s3);          \
      PGMMR_STEP(instruction, registers, s4);          \
      PGMMR_STEP(instruction, registers, s5);          \
      PGMMR_STEP(instruction, registers, s6);          \
      PGMMR_STEP(instruction, registers, s7);          \
      PGMMR_STEP(instruction, registers, s8);          \
      PGMMR_STEP(instruction, registers, s9);          \
      PGMMR_STEP(instruction, registers, s10);         \
      PGMMR_STEP(instruction, registers, s11);         \
    }                                                  \
  } while (false)
constexpr double kChains = 12;

__attribute__((target("avx2,fma"))) void fma_avx2() {
  __m256 a = _mm256_set1_ps(0.9F), b = _mm256_set1_ps(0.1F);
  PGMMR_CHAINS("x", _mm256_setzero_ps(), "vfmadd231ps");
}

__attribute__((target("avx512f"))) void fma_avx512() {
  __m512 a = _mm512_set1_ps(0.9F), b = _mm512_set1_ps(0.1F);
  PGMMR_CHAINS("v", _mm512_setzero_ps(), "vfmadd231ps");
}

__attribute__((target("avx512f,avx512bf16"))) void dot_bf16_avx512() {
  __m512i a = _mm512_set1_epi32(0x3F003F00), b = a;
  PGMMR_CHAINS("v", _mm512_setzero_ps(), "vdpbf16ps");
}

__attribute__((target("avx512f,avx512vnni"))) void dot_int8_avx512() {
  __m512i a = _mm512_set1_epi32(0x01010101), b = a;
  PGMMR_CHAINS("v", _mm512_setzero_si512(), "vpdpbusd");
}
#undef PGMMR_CHAINS
#undef PGMMR_STEP

// Tiles: 16 rows of 64 bytes, four sums.
struct TileShape {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
constexpr int kTileSteps = 400'000;

// Operands as a product has them: over zeros the clock stays higher, by a quarter on an Emerald
// Rapids, and no product is of zeros.
struct alignas(64) Tile {
  std::uint8_t bytes[1024];
};
template <bool kBf16>
Tile random_tile(std::uint32_t seed) {
  Tile tile;
  for (std::size_t i = 0; i < sizeof tile.bytes; ++i) {
    seed = seed * 1664525 + 1013904223;
    tile.bytes[i] = static_cast<std::uint8_t>(seed >> 24);
    // The upper byte of a bf16: either sign, of 2^-7 to 2.
    if (kBf16 && i % 2 == 1) {
      tile.bytes[i] = static_cast<std::uint8_t>((tile.bytes[i] & 0x83) | 0x3C);
    }
  }
  return tile;
}

template <bool kBf16>
__attribute__((target("amx-tile,amx-int8,amx-bf16"))) void dot_amx() {
  TileShape shape;
  for (int i = 0; i < 8; ++i) shape.row_bytes[i] = 64, shape.rows[i] = 16;
  keep(shape);  // GCC's intrinsic says that it reads the first eight bytes only
  _tile_loadconfig(&shape);
  static const Tile tiles[4] = {random_tile<kBf16>(1), random_tile<kBf16>(2), random_tile<kBf16>(3),
                                random_tile<kBf16>(4)};
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, tiles[0].bytes, 64);
  _tile_loadd(5, tiles[1].bytes, 64);
  _tile_loadd(6, tiles[2].bytes, 64);
  _tile_loadd(7, tiles[3].bytes, 64);
  for (int i = 0; i < kTileSteps; ++i) {
    if constexpr (kBf16) {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    } else {
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(1, 4, 7);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
    }
  }
  _tile_release();
}

bool has(const char* flag) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/cpuinfo", "r"),
                                                       std::fclose);
  char line[8192];
  while (file && std::fgets(line, sizeof line, file.get()) != nullptr) {
    if (std::strncmp(line, "flags", 5) != 0) continue;
    return (std::string(line) + ' ').find(std::string(" ") + flag) != std::string::npos;
  }
  return false;
}

bool tiles_allowed() {
  constexpr int kAskForFeature = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XTILEDATA
  return has("amx_tile") && syscall(SYS_arch_prctl, kAskForFeature, kTileData) == 0;
}

#endif

void print(const char* name, int threads, double value, const char* unit) {
  std::printf("%s %d %.1f %s\n", name, threads, value, unit);
  std::fflush(stdout);
}

void measure(int threads) {
  const auto arithmetic = [&](const char* name, double operations, void (*work)()) {
    print(name, threads, best_rate(threads, operations, work) * 1e-9, "Gop/s");
  };
#if defined(__x86_64__)
  if (has("avx512f")) {
    arithmetic("f32", kSteps * kChains * 16 * 2, fma_avx512);
  } else if (has("avx2") && has("fma")) {
    arithmetic("f32", kSteps * kChains * 8 * 2, fma_avx2);
  } else {
    arithmetic("f32", kSteps * 64.0 * 2, fma_any_cpu);
  }
  if (has("avx512_bf16")) arithmetic("bf16", kSteps * kChains * 32 * 2, dot_bf16_avx512);
  if (has("avx512_vnni")) arithmetic("int8", kSteps * kChains * 64 * 2, dot_int8_avx512);
  if (tiles_allowed()) {
    if (has("amx_bf16")) arithmetic("bf16_amx", kTileSteps * 4.0 * 16 * 16 * 32 * 2, dot_amx<true>);
    if (has("amx_int8")) {
      arithmetic("int8_amx", kTileSteps * 4.0 * 16 * 16 * 64 * 2, dot_amx<false>);
    }
  }
#else
  arithmetic("f32", kSteps * 64.0 * 2, fma_any_cpu);
#endif
  // The text tower's f32 weights are of this order; larger than any cache's share of a core.
  constexpr std::size_t kBytes = std::size_t{512} << 20;
  static const auto memory = [] {
    auto block = std::make_unique<std::uint64_t[]>(kBytes / 8);
    std::memset(block.get(), 1, kBytes);
    return block;
  }();
  // Eight runs of lines at once: of a single one a core asks for too few ahead, and gets half.
  print("memory", threads,
        best_rate(threads, kBytes,
                  [] {
                    constexpr std::size_t kRuns = 8, kRun = kBytes / 8 / kRuns;
                    std::uint64_t sums[8] = {};
                    for (std::size_t i = 0; i < kRun; i += 8) {
                      for (std::size_t run = 0; run < kRuns; ++run) {
                        const std::uint64_t* const line = memory.get() + run * kRun + i;
                        for (std::size_t j = 0; j < 8; ++j) sums[j] += line[j];
                      }
                    }
                    keep(sums);
                  }) *
            1e-9,
        "GB/s");
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::max(1, std::atoi(argv[1]))
                               : static_cast<int>(std::thread::hardware_concurrency());
  measure(threads);
}
