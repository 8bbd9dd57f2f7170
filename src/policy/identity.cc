#include "policy/identity.h"

#include "crypto/keys.h"
#include "hcl/json.h"
#include "hcl/source.h"
#include "hcl/value.h"

#include <fmt/format.h>

#include <algorithm>

namespace nl::policy {
namespace {

/// Longer tokens are refused unread.
constexpr std::size_t kTokenBytesMax = 16U << 10;
/// How far clocks may differ.
constexpr Duration kLeeway = seconds(60);
constexpr std::string_view kEdSuffix = ".ed25519";

std::unexpected<Error> refuse(std::string_view why) {
    return fail(ErrorCode::Unauthenticated, "the workload identity {}", why);
}

std::string json_of(const Value& value) {
    std::string out;
    hcl::append_json(out, hcl::from_plain(value));
    return out;
}

std::int64_t whole_seconds(WallTime time) {
    return time.unix_ns / 1'000'000'000;
}

Result<Value> object_of(std::string_view part) {
    const auto text = base64url_decode(part);
    if (!text) {
        return refuse("is not base64url");
    }
    hcl::Diagnostics diagnostics;
    const auto node = hcl::parse_json(*text, 0, diagnostics);
    if (!node || diagnostics.has_errors() || node->kind != hcl::JsonNode::Kind::Object) {
        return refuse("holds no JSON object");
    }
    return hcl::to_plain(hcl::to_value(*node));
}

std::string text_of(const Value& object, std::string_view name) {
    const auto found = object.as_map()->find(name);
    const std::string* text =
        found == object.as_map()->end() ? nullptr : found->second.as_string();
    return text == nullptr ? "" : *text;
}

std::optional<WallTime> time_of(const Value& object, std::string_view name) {
    const auto found = object.as_map()->find(name);
    const std::int64_t* number = found == object.as_map()->end() ? nullptr : found->second.as_int();
    constexpr std::int64_t kSecondsMax = INT64_MAX / 1'000'000'000;
    if (number == nullptr || *number < 0 || *number > kSecondsMax) {
        return {};
    }
    return WallTime{*number * 1'000'000'000};
}

}  // namespace

bool looks_like_identity(std::string_view token) {
    return std::ranges::count(token, '.') == 2;
}

Result<std::string> sign_identity(
    const Claims& claims, const RootKey& key, SigningAlgorithm with
) {
    const bool rsa = with == SigningAlgorithm::RS256;
    if (rsa && key.rsa.empty()) {
        return fail(ErrorCode::FailedPrecondition, "root key {} has no RSA key yet", key.id);
    }
    Value::Map body;
    for (const auto& [name, value] : claims.extra) {
        body.insert_or_assign(name, value);
    }
    const auto set = [&](const char* name, const std::string& value) {
        if (!value.empty()) {
            body.insert_or_assign(name, value);
        }
    };
    set("nomad_namespace", claims.namespace_);
    set("nomad_job_id", claims.job_id);
    set("nomad_allocation_id", claims.alloc_id);
    set("nomad_task", claims.task);
    set("nomad_group", claims.group);
    set("nomad_service", claims.service);
    set("iss", claims.issuer);
    set("jti", claims.id);
    body.insert_or_assign(
        "sub",
        fmt::format(
            "{}:{}:{}:{}:{}:{}",
            claims.region,
            claims.namespace_,
            claims.job_id,
            claims.group,
            claims.service.empty() ? claims.task : claims.service,
            claims.identity
        )
    );
    if (claims.audience.size() == 1) {
        body.insert_or_assign("aud", claims.audience.front());
    } else if (!claims.audience.empty()) {
        body.insert_or_assign("aud", Value::List(claims.audience.begin(), claims.audience.end()));
    }
    body.insert_or_assign("iat", whole_seconds(claims.issued_at));
    body.insert_or_assign("nbf", whole_seconds(claims.issued_at));
    if (!claims.expires_at.is_zero()) {
        body.insert_or_assign("exp", whole_seconds(claims.expires_at));
    }
    const Value head(Value::Map{
        {"alg", rsa ? "RS256" : "EdDSA"},
        {"kid", rsa ? key.id : key.id + std::string(kEdSuffix)},
        {"typ", "JWT"}
    });
    std::string signed_text = base64url_encode(json_of(head)) + '.' +
                              base64url_encode(json_of(Value(std::move(body))));
    Bytes signature;
    if (rsa) {
        NL_TRY(signature, crypto::rsa_sign(key.rsa, signed_text));
    } else {
        signature = crypto::ed25519_sign(key.ed25519, signed_text);
    }
    return signed_text + '.' + base64url_encode(signature);
}

Result<Claims> verify_identity(std::string_view token, const FindPublicKeys& find, WallTime now) {
    if (token.size() > kTokenBytesMax || !looks_like_identity(token)) {
        return refuse("has not three parts");
    }
    const std::size_t first = token.find('.');
    const std::size_t second = token.find('.', first + 1);
    NL_TRY(const Value head, object_of(token.substr(0, first)));
    const std::string algorithm = text_of(head, "alg");
    std::string key_id = text_of(head, "kid");
    const bool rsa = algorithm == "RS256";
    if (!rsa && algorithm != "EdDSA") {
        return refuse("is signed with an algorithm that is not accepted");
    }
    // A key is for one algorithm: its id says which.
    if (key_id.ends_with(kEdSuffix) == rsa) {
        return refuse("names a key of another algorithm");
    }
    if (!rsa) {
        key_id.resize(key_id.size() - kEdSuffix.size());
    }
    const auto keys = find(key_id);
    const auto signature = base64url_decode(token.substr(second + 1));
    if (!keys || !signature) {
        return refuse("names an unknown key");
    }
    const std::string_view signed_text = token.substr(0, second);
    const bool genuine =
        rsa ? !keys->rsa_modulus.empty() &&
                  crypto::rsa_verify(
                      {keys->rsa_modulus, keys->rsa_exponent}, signed_text, *signature
                  )
            : crypto::ed25519_verify(keys->ed25519, signed_text, *signature);
    if (!genuine) {
        return refuse("has a wrong signature");
    }
    NL_TRY(const Value body, object_of(token.substr(first + 1, second - first - 1)));
    Claims out;
    out.namespace_ = text_of(body, "nomad_namespace");
    out.job_id = text_of(body, "nomad_job_id");
    out.alloc_id = text_of(body, "nomad_allocation_id");
    out.task = text_of(body, "nomad_task");
    out.group = text_of(body, "nomad_group");
    out.service = text_of(body, "nomad_service");
    out.issuer = text_of(body, "iss");
    out.id = text_of(body, "jti");
    out.audience.clear();
    if (const auto aud = body.as_map()->find("aud"); aud != body.as_map()->end()) {
        if (const auto* one = aud->second.as_string()) {
            out.audience.push_back(*one);
        } else if (const auto* several = aud->second.as_list()) {
            for (const Value& item : *several) {
                if (const auto* text = item.as_string()) {
                    out.audience.push_back(*text);
                }
            }
        }
    }
    if (std::ranges::find(out.audience, kOwnAudience) == out.audience.end()) {
        return refuse("is meant for another audience");
    }
    const auto expires = time_of(body, "exp");
    const auto valid_from = time_of(body, "nbf");
    if (expires && *expires <= now) {
        return refuse("has expired");
    }
    if (valid_from && *valid_from > now + kLeeway) {
        return refuse("is not valid yet");
    }
    out.issued_at = time_of(body, "iat").value_or(WallTime{});
    out.expires_at = expires.value_or(WallTime{});
    return out;
}

Value::List json_web_keys(std::string_view key_id, const PublicKeys& keys) {
    Value::List out;
    if (!keys.rsa_modulus.empty()) {
        out.emplace_back(Value::Map{
            {"use", "sig"},
            {"kty", "RSA"},
            {"kid", std::string(key_id)},
            {"alg", "RS256"},
            {"n", base64url_encode(keys.rsa_modulus)},
            {"e", base64url_encode(keys.rsa_exponent)}
        });
    }
    if (!keys.ed25519.empty()) {
        out.emplace_back(Value::Map{
            {"use", "sig"},
            {"kty", "OKP"},
            {"crv", "Ed25519"},
            {"kid", std::string(key_id) + std::string(kEdSuffix)},
            {"alg", "EdDSA"},
            {"x", base64url_encode(keys.ed25519)}
        });
    }
    return out;
}

}  // namespace nl::policy
