// ctest runs this after the last test that needed the shared server.
#include <cstdio>

#include "base/error.h"
#include "support/database.h"

int main() {
  try {
    pgmmr::test::stop_shared_server();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
