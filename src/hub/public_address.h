// Whether an address is on the public internet, or belongs to a machine, a private network, a
// cloud's own services (169.254.169.254) or nobody: IANA's special-purpose registries (RFC 6890 and
// what was added since), with addresses of IPv4 inside IPv6 looked at as what they lead to.
#pragma once

struct sockaddr;

namespace pgmmr {

// False for families other than IPv4 and IPv6.
bool is_public_address(const sockaddr* address);

}  // namespace pgmmr
