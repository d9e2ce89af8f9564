// One line a request on stderr: text on a terminal, JSON elsewhere. Paths without their queries,
// which may hold tokens and what people search for.
#pragma once

#include <cstdint>
#include <string>

#include "http/message.h"

namespace pgmmr {

// Called once, before the first line; quiet leaves requests out.
void start_log(bool quiet);

void log_request(const WebRequest& request, int status, std::uint64_t bytes, double ms);
void log_failure(const std::string& request_id, const std::string& what);
void log_event(const std::string& what);  // start, stop, warnings

}  // namespace pgmmr
