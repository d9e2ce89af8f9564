#include "hub/public_address.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

namespace pgmmr {
namespace {

struct Network {
  std::uint32_t address;
  int bits;
};

constexpr Network kSpecial[] = {
    {0x00000000, 8},   // this network
    {0x0A000000, 8},   // private
    {0x64400000, 10},  // carriers' NAT
    {0x7F000000, 8},   // loopback
    {0xA9FE0000, 16},  // link local, clouds' metadata
    {0xAC100000, 12},  // private
    {0xC0000000, 24},  // protocol assignments
    {0xC0000200, 24},  // documentation
    {0xC0586300, 24},  // 6to4 relays
    {0xC0A80000, 16},  // private
    {0xC6120000, 15},  // benchmarks
    {0xC6336400, 24},  // documentation
    {0xCB007100, 24},  // documentation
    {0xE0000000, 4},   // multicast
    {0xF0000000, 4},   // reserved, broadcast
};

bool is_public_v4(std::uint32_t address) {
  for (const Network& one : kSpecial) {
    const std::uint32_t mask = ~std::uint32_t{0} << (32 - one.bits);
    if ((address & mask) == one.address) return false;
  }
  return true;
}

std::uint32_t four(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | bytes[3];
}

bool is_public_v6(const std::uint8_t (&bytes)[16]) {
  static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  static constexpr std::uint8_t kTranslated[12] = {0, 0x64, 0xFF, 0x9B};  // 64:ff9b::/96
  if (std::memcmp(bytes, kMapped, 12) == 0) return is_public_v4(four(bytes + 12));
  if (std::memcmp(bytes, kTranslated, 12) == 0) return is_public_v4(four(bytes + 12));
  if ((bytes[0] & 0xE0) != 0x20) return false;  // global unicast is 2000::/3
  const std::uint32_t first = four(bytes);
  if ((first & 0xFFFFFE00) == 0x20010000) return false;  // 2001::/23: Teredo, ORCHID …
  if (first == 0x20010DB8) return false;                 // documentation
  if ((first & 0xFFFF0000) == 0x20020000) return false;  // 6to4 leads to any IPv4
  if ((first & 0xFFFFF000) == 0x3FFF0000) return false;  // documentation
  return true;
}

}  // namespace

bool is_public_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    return is_public_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    std::uint8_t bytes[16];
    std::memcpy(bytes, &v6.sin6_addr, sizeof bytes);
    return is_public_v6(bytes);
  }
  return false;
}

}  // namespace pgmmr
