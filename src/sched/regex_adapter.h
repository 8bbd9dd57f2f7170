#pragma once
// The only holder of RE2: unanchored matching of node attributes against the `regexp` operator.
// RE2 runs in linear time, so a pattern from a user cannot stall a worker. One cache belongs to one
// scheduling pass; compiled patterns live as long as it.

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace nl::sched {

class RegexCache {
public:
    RegexCache();
    RegexCache(RegexCache&&) noexcept;
    RegexCache& operator=(RegexCache&&) noexcept;
    RegexCache(const RegexCache&) = delete;
    RegexCache& operator=(const RegexCache&) = delete;
    ~RegexCache();

    /// Whether `pattern` matches anywhere in `text`; an invalid or too large pattern never matches.
    bool matches(std::string_view pattern, std::string_view text);

private:
    struct Compiled;
    std::map<std::string, std::unique_ptr<Compiled>, std::less<>> compiled_;
};

}  // namespace nl::sched
