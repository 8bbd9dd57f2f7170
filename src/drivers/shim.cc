#include "drivers/shim.h"

#include "io/files.h"

#include <cstddef>
#include <string_view>

// clang-format off
asm(".section .rodata\n"
    ".balign 16\n"
    "nl_shim_begin:\n.incbin \"" NL_SHIM_FILE "\"\nnl_shim_end:\n"
    ".byte 0\n"
    ".text\n");
// clang-format on

extern "C" {
extern const char nl_shim_begin[] __attribute__((visibility("hidden")));
extern const char nl_shim_end[] __attribute__((visibility("hidden")));
}

namespace nl::drivers {

std::string_view shim_program() {
    return {nl_shim_begin, static_cast<std::size_t>(nl_shim_end - nl_shim_begin)};
}

Result<std::string> install_shim(const std::string& directory) {
    const std::string_view program = shim_program();
    NL_TRY_VOID(io::make_directories(directory, 0700));
    const std::string path = directory + "/nomad-lite-shim";
    if (const auto there = io::read_file(path); there && *there == program) {
        return path;
    }
    // Replaced by rename: tasks that run keep the program they began with.
    NL_TRY_VOID(io::write_file_atomic(path, program, 0700));
    return path;
}

}  // namespace nl::drivers
