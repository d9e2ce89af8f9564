# pgmmr_site(TARGET): page/dist, where the page has been built, and src/http/openapi.json into TARGET. See http/site.h.
function(pgmmr_site target)
  pkg_check_modules(BROTLIENC REQUIRED IMPORTED_TARGET libbrotlienc)
  find_package(ZLIB REQUIRED)
  add_executable(pack_site ${CMAKE_SOURCE_DIR}/tools/pack_site.cc)
  target_link_libraries(pack_site PRIVATE PkgConfig::BROTLIENC ZLIB::ZLIB OpenSSL::Crypto)
  set(dist ${CMAKE_SOURCE_DIR}/page/dist)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${dist}/*)
  set(block ${CMAKE_BINARY_DIR}/generated/site.block)
  set(source ${CMAKE_BINARY_DIR}/generated/site_files.cc)
  add_custom_command(OUTPUT ${source} BYPRODUCTS ${block}
    COMMAND pack_site ${dist} ${block} ${source}
    DEPENDS pack_site ${files} VERBATIM)

  # The document as a character array: no compiler's limit on the length of a literal applies.
  set(openapi ${CMAKE_SOURCE_DIR}/src/http/openapi.json)
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${openapi})
  file(READ ${openapi} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  set(document ${CMAKE_BINARY_DIR}/generated/openapi_document.cc)
  file(CONFIGURE OUTPUT ${document} @ONLY CONTENT
"// Made by cmake/site.cmake from src/http/openapi.json.
#include \"http/openapi.h\"

namespace pgmmr {

std::shared_ptr<const std::string> openapi_document() {
  static constexpr unsigned char kBytes[] = {@bytes@};
  static const auto document =
      std::make_shared<const std::string>(reinterpret_cast<const char*>(kBytes), sizeof kBytes);
  return document;
}

}  // namespace pgmmr
")
  target_sources(${target} PRIVATE ${source} ${document})
endfunction()
