#include "sched/regex_adapter.h"

#include <re2/re2.h>

#include <cstdint>

namespace nl::sched {
namespace {

/// Memory one pattern may take compiled.
constexpr std::int64_t kMaxPatternMemory = 1 << 20;

RE2::Options options() {
    RE2::Options o;
    o.set_log_errors(false);
    o.set_max_mem(kMaxPatternMemory);
    return o;
}

}  // namespace

struct RegexCache::Compiled {
    explicit Compiled(std::string_view pattern)
        : expression(re2::StringPiece(pattern.data(), pattern.size()), options()) {}
    RE2 expression;
};

RegexCache::RegexCache() = default;
RegexCache::RegexCache(RegexCache&&) noexcept = default;
RegexCache& RegexCache::operator=(RegexCache&&) noexcept = default;
RegexCache::~RegexCache() = default;

bool RegexCache::matches(std::string_view pattern, std::string_view text) {
    auto at = compiled_.find(pattern);
    if (at == compiled_.end()) {
        at = compiled_.emplace(std::string(pattern), std::make_unique<Compiled>(pattern)).first;
    }
    const RE2& expression = at->second->expression;
    return expression.ok() &&
           RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), expression);
}

}  // namespace nl::sched
