// What the embedded server is told: pgmmr.conf, written anew at each start from this machine's
// memory. ALTER SYSTEM still wins over it.
#pragma once

#include <cstdint>
#include <filesystem>

namespace pgmmr {

struct ServerConfiguration {
  std::filesystem::path socket_folder;
  bool durable = true;
  int major = 15;
};

//   throws  Error{kUnavailable} where the file cannot be written
void write_configuration(const std::filesystem::path& file,
                         const ServerConfiguration& configuration);

// Bytes that this process may use: the machine's, or its control group's where that is less.
std::uint64_t usable_memory();

}  // namespace pgmmr
