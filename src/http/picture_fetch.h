// Pictures by their address on the web, for whoever asks: only from public addresses, so that the
// server cannot be used to read what lies behind its firewall.
#pragma once

#include <string>

#include "http/service.h"

namespace pgmmr {

// At most 5 redirects, 10 s, and as many bytes as a body may have. The address is checked after the
// name is resolved, at the very connection that is used, of each redirect (hub/public_address.h).
//   throws  Problem{400} where the address may not be asked, {413} for more bytes, {502} where it
//           does not answer with a picture, {503} where too many are being fetched
std::string fetch_picture(Service& service, const std::string& url);

}  // namespace pgmmr
