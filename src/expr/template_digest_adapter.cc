#include "expr/template_functions.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <re2/re2.h>

#include <array>

namespace nl::expr {

std::string template_digest(std::string_view name, std::string_view data) {
    const EVP_MD* kind = name == "sha1"     ? EVP_sha1()
                         : name == "sha512" ? EVP_sha512()
                         : name == "md5"    ? EVP_md5()
                                            : EVP_sha256();
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned length = 0;
    EVP_Digest(data.data(), data.size(), out.data(), &length, kind, nullptr);
    return {reinterpret_cast<const char*>(out.data()), length};
}

std::string template_hmac_sha256(std::string_view key, std::string_view data) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned length = 0;
    HMAC(
        EVP_sha256(),
        key.data(),
        static_cast<int>(key.size()),
        reinterpret_cast<const unsigned char*>(data.data()),
        data.size(),
        out.data(),
        &length
    );
    return {reinterpret_cast<const char*>(out.data()), length};
}

namespace {

constexpr std::int64_t kMaxMatches = 1'000'000;

Result<std::unique_ptr<RE2>> compile(const std::string& pattern) {
    auto out = std::make_unique<RE2>(pattern, RE2::Quiet);
    if (!out->ok()) {
        return fail(
            ErrorCode::InvalidArgument, "error parsing regexp: {}: `{}`", out->error(), pattern
        );
    }
    return out;
}

/// Go's "$1" and "${name}" as the text of a match.
std::string expand(
    const std::string& by, const std::vector<re2::StringPiece>& groups, const RE2& pattern
) {
    std::string out;
    for (std::size_t i = 0; i < by.size();) {
        if (by[i] != '$' || i + 1 >= by.size()) {
            out.push_back(by[i++]);
            continue;
        }
        if (by[i + 1] == '$') {
            out.push_back('$');
            i += 2;
            continue;
        }
        const bool braced = by[i + 1] == '{';
        std::size_t end = i + (braced ? 2 : 1);
        const std::size_t start = end;
        while (end < by.size() &&
               (isalnum(static_cast<unsigned char>(by[end])) != 0 || by[end] == '_')) {
            ++end;
        }
        const std::string name = by.substr(start, end - start);
        if (name.empty() || (braced && (end >= by.size() || by[end] != '}'))) {
            out.push_back(by[i++]);
            continue;
        }
        std::size_t group = groups.size();
        if (name.find_first_not_of("0123456789") == std::string::npos) {
            group = name.size() < 6 ? static_cast<std::size_t>(std::stoi(name)) : groups.size();
        } else if (const auto known = pattern.NamedCapturingGroups().find(name);
                   known != pattern.NamedCapturingGroups().end()) {
            group = static_cast<std::size_t>(known->second);
        }
        if (group < groups.size() && groups[group].data() != nullptr) {
            out.append(groups[group].data(), groups[group].size());
        }
        i = end + (braced ? 1 : 0);
    }
    return out;
}

template <class OnMatch>
Result<void> each_match(const RE2& pattern, const std::string& text, OnMatch on_match) {
    std::vector<re2::StringPiece> groups(
        static_cast<std::size_t>(pattern.NumberOfCapturingGroups()) + 1
    );
    std::size_t at = 0;
    std::int64_t count = 0;
    while (
        at <= text.size() && count < kMaxMatches &&
        pattern.Match(
            text, at, text.size(), RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size())
        )
    ) {
        const auto start = static_cast<std::size_t>(groups[0].data() - text.data());
        ++count;
        if (!on_match(start, groups)) {
            break;
        }
        const std::size_t end = start + groups[0].size();
        at = groups[0].empty() ? end + 1 : end;
    }
    return {};
}

}  // namespace

Result<bool> regex_matches(const std::string& pattern, const std::string& text) {
    NL_TRY(const auto re, compile(pattern));
    return RE2::PartialMatch(text, *re);
}

Result<std::string> regex_replace(
    const std::string& pattern, const std::string& by, const std::string& text, bool literal
) {
    NL_TRY(const auto re, compile(pattern));
    std::string out;
    std::size_t last = 0;
    NL_TRY_VOID(each_match(*re, text, [&](std::size_t start, const auto& groups) {
        out.append(text, last, start - last);
        out += literal ? by : expand(by, groups, *re);
        last = start + groups[0].size();
        return true;
    }));
    return out + text.substr(last);
}

Result<std::vector<std::string>> regex_find_all(
    const std::string& pattern, const std::string& text, std::int64_t most
) {
    NL_TRY(const auto re, compile(pattern));
    std::vector<std::string> out;
    NL_TRY_VOID(each_match(*re, text, [&](std::size_t, const auto& groups) {
        if (most >= 0 && static_cast<std::int64_t>(out.size()) >= most) {
            return false;
        }
        out.emplace_back(groups[0].data(), groups[0].size());
        return true;
    }));
    return out;
}

Result<std::vector<std::string>> regex_split(
    const std::string& pattern, const std::string& text, std::int64_t most
) {
    NL_TRY(const auto re, compile(pattern));
    std::vector<std::string> out;
    if (most == 0) {
        return out;
    }
    std::size_t last = 0;
    NL_TRY_VOID(each_match(*re, text, [&](std::size_t start, const auto& groups) {
        if (most > 0 && static_cast<std::int64_t>(out.size()) + 1 >= most) {
            return false;
        }
        if (groups[0].empty() && (start == 0 || start == text.size())) {
            return true;
        }
        out.push_back(text.substr(last, start - last));
        last = start + groups[0].size();
        return true;
    }));
    out.push_back(text.substr(last));
    return out;
}

std::string regex_quote(const std::string& text) {
    return RE2::QuoteMeta(text);
}

}  // namespace nl::expr
