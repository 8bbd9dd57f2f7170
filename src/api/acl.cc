#include "api/acl.h"

#include "api/status.h"
#include "crypto/hash.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace nl::api {

Response coded_response(std::int64_t status, std::string text) {
    return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(text)};
}

std::string problems_text(const std::vector<std::string>& problems) {
    std::string out =
        fmt::format("{} error{} occurred:\n", problems.size(), problems.size() == 1 ? "" : "s");
    for (const auto& problem : problems) {
        out += "\t* " + problem + "\n";
    }
    return out + "\n";
}

Response invalid_response(std::string_view noun, const std::vector<std::string>& problems) {
    return coded_response(400, fmt::format("{} 0 invalid: {}", noun, problems_text(problems)));
}

bool is_name(std::string_view name, std::string_view more) {
    constexpr std::size_t kNameCharsMax = 128;
    return !name.empty() && name.size() <= kNameCharsMax && std::ranges::all_of(name, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || more.find(c) != std::string_view::npos;
    });
}

Uuid secret_id(const Context& context, std::uint64_t n) {
    const BytesView entropy(context.secret_entropy.data(), context.secret_entropy.size());
    const Bytes digest = crypto::hmac_sha256(entropy, fmt::format("id {}", n));
    Uuid id;
    std::memcpy(id.bytes.data(), digest.data(), id.bytes.size());
    // RFC 9562: version 4, variant 10.
    id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

Blob content_hash(const std::vector<std::string>& parts) {
    Bytes all;
    for (const std::string& part : parts) {
        all += fmt::format("{}:", part.size());
        all += part;
    }
    return {crypto::sha256(all)};
}

std::vector<std::string> policies_of(const Context& context, const Caller& caller) {
    std::vector<std::string> names;
    if (caller.token) {
        names = caller.token->policies;
        for (const auto& link : caller.token->roles) {
            if (const auto* role = context.state.acl_role(link.id)) {
                for (const auto& policy : role->policies) {
                    names.push_back(policy.name);
                }
            }
        }
    }
    if (caller.workload) {
        for (const model::ACLPolicy& policy : context.state.acl_policies()) {
            if (policy.job_acl && policy.job_acl->namespace_ == caller.workload->namespace_ &&
                policy.job_acl->job_id == caller.workload->job_id) {
                names.push_back(policy.name);
            }
        }
    }
    std::ranges::sort(names);
    const auto [first, last] = std::ranges::unique(names);
    names.erase(first, last);
    return names;
}

}  // namespace nl::api
