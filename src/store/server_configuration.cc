#include "store/server_configuration.h"

#include <fmt/core.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/file.h"

namespace pgmmr {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// Containers often get 64 MB of /dev/shm, which a parallel index build overruns: there the server
// keeps shared segments in files.
bool has_roomy_shm() {
  struct statvfs found {};
  if (statvfs("/dev/shm", &found) != 0) return false;
  return std::uint64_t{found.f_blocks} * found.f_frsize >= 1024 * kMiB;
}

std::string quoted(const std::filesystem::path& path) {
  std::string text;
  for (const char c : path.string()) {
    if (c == '\'') text += '\'';
    if (c == '\\') text += '\\';
    text += c;
  }
  return "'" + text + "'";
}

}  // namespace

std::uint64_t usable_memory() {
  const auto pages = static_cast<std::uint64_t>(std::max(1L, sysconf(_SC_PHYS_PAGES)));
  const auto page = static_cast<std::uint64_t>(std::max(4096L, sysconf(_SC_PAGESIZE)));
  std::uint64_t bytes = pages * page;
  for (const char* file :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream in(file);
    std::uint64_t limit = 0;  // "max" leaves it
    if (in >> limit && limit > 0) bytes = std::min(bytes, limit);
  }
  return bytes;
}

void write_configuration(const std::filesystem::path& file,
                         const ServerConfiguration& configuration) {
  const std::uint64_t memory_mb = usable_memory() / kMiB;
  // An eighth of the memory: the models and the page cache want theirs. PostgreSQL's own advice of
  // a quarter is for a machine of its own.
  const auto shared_mb = std::clamp<std::uint64_t>(memory_mb / 8, 32, 4096);
  std::string text = fmt::format(
      "# Written by pgmmr at each start. Your own settings: ALTER SYSTEM SET …\n"
      "listen_addresses = ''\n"
      "port = 5432\n"
      "unix_socket_directories = {}\n"
      "unix_socket_permissions = 0700\n"
      "max_connections = 100\n"
      "shared_buffers = {}MB\n"
      "effective_cache_size = {}MB\n"
      "work_mem = 16MB\n"
      "maintenance_work_mem = {}MB\n"
      "dynamic_shared_memory_type = {}\n"
      // No replica can follow a server without an address: WAL for crash recovery alone.
      "wal_level = minimal\n"
      "max_wal_senders = 0\n"
      "wal_compression = on\n"
      "max_wal_size = 2GB\n"
      "checkpoint_timeout = 15min\n"
      "random_page_cost = 1.1\n"
      "jit = off\n"
      "logging_collector = off\n"
      "log_destination = 'stderr'\n"
      "log_line_prefix = '%m [%p] '\n"
      // Errors of statements go to the client that sent them; the log keeps the server's own.
      "log_min_messages = fatal\n"
      "log_min_error_statement = panic\n",
      quoted(configuration.socket_folder), shared_mb, std::max<std::uint64_t>(memory_mb / 2, 64),
      std::clamp<std::uint64_t>(memory_mb / 32, 64, 1024), has_roomy_shm() ? "posix" : "mmap");
  if (!configuration.durable) text += "fsync = off\nfull_page_writes = off\n";
  write_file(file, text);
}

}  // namespace pgmmr
