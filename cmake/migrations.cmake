# pgmmr_migrations(TARGET): src/store/migrations/NNN_name.sql as C++ source, added to TARGET. See store/migrations.h.
function(pgmmr_migrations target)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/store/migrations/*.sql)
  list(SORT files)
  set(number 0)
  set(entries "")
  foreach(file IN LISTS files)
    math(EXPR number "${number} + 1")
    get_filename_component(name ${file} NAME_WE)
    if(NOT name MATCHES "^0*${number}_[a-z_]+$")
      message(FATAL_ERROR "${file}: expected migration number ${number}")
    endif()
    set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(READ ${file} sql)
    # One literal holds 64 kB in some compilers: adjacent ones are joined.
    string(LENGTH "${sql}" length)
    set(literal "")
    set(at 0)
    while(at LESS length)
      string(SUBSTRING "${sql}" ${at} 8000 part)
      string(APPEND literal "R\"pgmmr_sql(${part})pgmmr_sql\"\n")
      math(EXPR at "${at} + 8000")
    endwhile()
    string(APPEND entries "    {${number}, \"${name}\",\n${literal}},\n")
  endforeach()
  set(generated ${CMAKE_BINARY_DIR}/generated/migrations.cc)
  file(CONFIGURE OUTPUT ${generated} @ONLY CONTENT
"// Made by cmake/migrations.cmake from src/store/migrations.
#include \"store/migrations.h\"

namespace pgmmr {
namespace {
constexpr Migration kMigrations[] = {
@entries@};
}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

}  // namespace pgmmr
")
  target_sources(${target} PRIVATE ${generated})
endfunction()
