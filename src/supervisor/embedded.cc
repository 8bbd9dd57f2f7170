#include "supervisor/embedded.h"

#include <cstddef>

// clang-format off
asm(".section .rodata\n"
    ".balign 16\n"
    "nl_guardian_begin:\n.incbin \"" NL_GUARDIAN_FILE "\"\nnl_guardian_end:\n"
    ".balign 16\n"
    "nl_supervisor_begin:\n.incbin \"" NL_SUPERVISOR_FILE "\"\nnl_supervisor_end:\n"
    ".byte 0\n"
    ".text\n");
// clang-format on

extern "C" {
extern const char nl_guardian_begin[] __attribute__((visibility("hidden")));
extern const char nl_guardian_end[] __attribute__((visibility("hidden")));
extern const char nl_supervisor_begin[] __attribute__((visibility("hidden")));
extern const char nl_supervisor_end[] __attribute__((visibility("hidden")));
}

namespace nl::supervisor {

std::string_view guardian_program() {
    return {nl_guardian_begin, static_cast<std::size_t>(nl_guardian_end - nl_guardian_begin)};
}

std::string_view supervisor_program() {
    return {nl_supervisor_begin, static_cast<std::size_t>(nl_supervisor_end - nl_supervisor_begin)};
}

}  // namespace nl::supervisor
