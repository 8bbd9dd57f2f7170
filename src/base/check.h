#pragma once
// Assertions for our own mistakes; they stay on in release. Input from outside never trips one: it
// gives an Error.

namespace nl {

/// Prints the condition and its place to stderr and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace nl

/// One condition each; always on.
#define NL_ASSERT(condition)                                        \
    do {                                                            \
        if (!(condition)) [[unlikely]] {                            \
            ::nl::assertion_failed(#condition, __FILE__, __LINE__); \
        }                                                           \
    } while (false)

/// For checks that cost O(n): on in the sanitizer and simulator builds only.
#ifdef NL_DCHECKS
#define NL_DCHECK(condition) NL_ASSERT(condition)
#else
#define NL_DCHECK(condition) static_cast<void>(sizeof(!(condition)))
#endif

#define NL_UNREACHABLE() ::nl::assertion_failed("unreachable", __FILE__, __LINE__)
