# pgmmr_layer(NAME [LINK target...]): src/NAME/*.cc as the library pgmmr_NAME, src/NAME/*_test.cc as the test program
# NAME_test, src/NAME/*_fuzz.cc as one libFuzzer program each. The layers below come from src/LAYERS.
file(STRINGS ${CMAKE_SOURCE_DIR}/src/LAYERS PGMMR_LAYER_LINES REGEX "^[a-z]+:")

# Properties of tests that share the server of tests/support/database.h.
set(PGMMR_USES_TEST_DATABASE FIXTURES_REQUIRED database ENVIRONMENT_MODIFICATION PGMMR_TEST_SERVER=set:shared)

add_custom_target(fuzzers)  # all of them, without the tests

function(pgmmr_layer name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  set(below "")
  foreach(line IN LISTS PGMMR_LAYER_LINES)
    if(line MATCHES "^${name}:(.*)$")
      separate_arguments(below UNIX_COMMAND "${CMAKE_MATCH_1}")
    endif()
  endforeach()
  list(TRANSFORM below PREPEND pgmmr_)

  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz)\\.cc$")
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")

  if(sources)
    add_library(pgmmr_${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(pgmmr_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(pgmmr_${name} ${scope} ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(pgmmr_${name} ${scope} ${below} ${arg_LINK} fmt::fmt Threads::Threads)

  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE pgmmr_${name} pgmmr_test_support GTest::gtest_main GTest::gmock)
    set(database "")
    if(name STREQUAL store OR "pgmmr_store" IN_LIST below)
      target_link_libraries(${name}_test PRIVATE pgmmr_test_database)
      set(database ${PGMMR_USES_TEST_DATABASE})
    endif()
    include(GoogleTest)
    gtest_discover_tests(${name}_test DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600 ${database}
    ENVIRONMENT "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/leaks.supp:print_suppressions=0")
  endif()

  if(PGMMR_FUZZ)
    foreach(file IN LISTS fuzzers)
      get_filename_component(fuzzer ${file} NAME_WE)
      add_executable(${fuzzer} ${file})
      target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
      target_link_libraries(${fuzzer} PRIVATE pgmmr_${name})
      target_compile_definitions(${fuzzer} PRIVATE PGMMR_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
      add_dependencies(fuzzers ${fuzzer})
    endforeach()
  endif()
endfunction()
