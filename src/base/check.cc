#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace nl {

void assertion_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "nomad-lite: assertion failed: %s at %s:%d\n", condition, file, line);
    std::fflush(stderr);
    std::abort();
}

}  // namespace nl
