# Refuses, at configure time, an include that goes the wrong way between modules and an OS or chance token in a pure module.
# The scan itself is tools/check_includes.py, so that a test can run it on a tree made wrong on purpose.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
execute_process(
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/check_includes.py --root ${CMAKE_SOURCE_DIR}
  RESULT_VARIABLE nl_includes_rc
  OUTPUT_VARIABLE nl_includes_out
  ERROR_VARIABLE nl_includes_out)
if(NOT nl_includes_rc EQUAL 0)
  message(FATAL_ERROR "The module order is broken:\n${nl_includes_out}")
endif()
file(GLOB_RECURSE nl_all_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*.cc ${CMAKE_SOURCE_DIR}/src/*.h)
# An edited include line must be seen at the next build as well, not only at the next configure.
add_custom_command(
  OUTPUT ${CMAKE_BINARY_DIR}/includes.stamp
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/check_includes.py --root ${CMAKE_SOURCE_DIR}
  COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/includes.stamp
  DEPENDS ${nl_all_sources} ${CMAKE_SOURCE_DIR}/tools/check_includes.py
  COMMENT "Checking the module order"
  VERBATIM)
add_custom_target(check_includes ALL DEPENDS ${CMAKE_BINARY_DIR}/includes.stamp)
