#pragma once
// The two static programs, as bytes inside this binary: the agent writes them into its data
// directory and starts them from there, so that an upgrade of the binary doesn't touch what runs.
// Made by the build (CMakeLists.txt, embedded.cc).

#include <string_view>

namespace nl::supervisor {

std::string_view guardian_program();
std::string_view supervisor_program();

}  // namespace nl::supervisor
