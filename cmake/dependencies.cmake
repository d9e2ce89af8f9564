# Every outside library, once. Names on the right are imported targets that layers link.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc i18n)
find_package(CURL REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(PostgreSQL REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(GTest REQUIRED)
find_package(JPEG REQUIRED)
pkg_check_modules(VIPS REQUIRED IMPORTED_TARGET vips)
pkg_check_modules(PANGOCAIRO REQUIRED IMPORTED_TARGET pangocairo)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core)

# DuckDB: the system's where there is one, else the library that `./run` took from npm (node_modules) with the
# header beside it (deps/duckdb).
find_path(DUCKDB_INCLUDE_DIR duckdb.h HINTS ${CMAKE_SOURCE_DIR}/deps/duckdb)
find_library(DUCKDB_LIBRARY duckdb
  HINTS ${CMAKE_SOURCE_DIR}/node_modules/@duckdb/node-bindings-linux-x64
        ${CMAKE_SOURCE_DIR}/node_modules/@duckdb/node-bindings-linux-arm64)
if(NOT DUCKDB_INCLUDE_DIR OR NOT DUCKDB_LIBRARY)
  message(FATAL_ERROR "DuckDB's header and library are missing: run ./run deps")
endif()
add_library(duckdb SHARED IMPORTED)
set_target_properties(duckdb PROPERTIES
  IMPORTED_LOCATION ${DUCKDB_LIBRARY} IMPORTED_NO_SONAME ON
  INTERFACE_INCLUDE_DIRECTORIES ${DUCKDB_INCLUDE_DIR})

# oneDNN: Debian 12's CMake package asks for OpenCL, which the CPU engine doesn't use; so by name.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(onednn INTERFACE)
target_include_directories(onednn SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(onednn INTERFACE ${DNNL_LIBRARY})
