#pragma once
// Tokens, policies, roles, auth methods and binding rules.
// Field names follow Nomad's JSON (docs: Nomad API, version 2.0); see base/fields.h for what is
// made from the lists. A field named *_time or *_at of integer type holds nanoseconds since the
// Unix epoch unless said otherwise; absent text is "". Plain values, no behaviour.

#include "base/codec.h"
#include "model/enums.h"

#include <optional>
#include <string>
#include <vector>

namespace nl::model {

struct ACLTokenRoleLink {
    std::string id{};
    std::string name{};

    NL_FIELDS(ACLTokenRoleLink, (1, id), (2, name))
};

struct ACLToken {
    std::string accessor_id{};
    std::string secret_id{};
    std::string name{};
    std::string type{};
    std::vector<std::string> policies{};
    std::vector<ACLTokenRoleLink> roles{};
    bool global{};
    Blob hash{};
    WallTime create_time{};
    std::optional<WallTime> expiration_time{};
    Duration expiration_ttl{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ACLToken,
        (1, accessor_id),
        (2, secret_id),
        (3, name),
        (4, type),
        (5, policies),
        (6, roles),
        (7, global),
        (8, hash),
        (9, create_time),
        (10, expiration_time),
        (11, expiration_ttl),
        (12, create_index),
        (13, modify_index)
    )
};

struct ACLTokenListStub {
    std::string accessor_id{};
    std::string name{};
    std::string type{};
    std::vector<std::string> policies{};
    std::vector<ACLTokenRoleLink> roles{};
    bool global{};
    Blob hash{};
    WallTime create_time{};
    std::optional<WallTime> expiration_time{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ACLTokenListStub,
        (1, accessor_id),
        (2, name),
        (3, type),
        (4, policies),
        (5, roles),
        (6, global),
        (7, hash),
        (8, create_time),
        (9, expiration_time),
        (10, create_index),
        (11, modify_index)
    )
};

struct JobACL {
    std::string namespace_{};
    std::string job_id{};
    std::string group{};
    std::string task{};

    NL_FIELDS(JobACL, (1, namespace_), (2, job_id), (3, group), (4, task))
};

struct ACLPolicy {
    std::string name{};
    std::string description{};
    std::string rules{};
    Value rules_json{};
    Box<JobACL> job_acl{};
    Blob hash{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ACLPolicy,
        (1, name),
        (2, description),
        (3, rules),
        (4, rules_json),
        (5, job_acl),
        (6, hash),
        (7, create_index),
        (8, modify_index)
    )
};

struct ACLPolicyListStub {
    std::string name{};
    std::string description{};
    Box<JobACL> job_acl{};
    Blob hash{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ACLPolicyListStub,
        (1, name),
        (2, description),
        (3, job_acl),
        (4, hash),
        (5, create_index),
        (6, modify_index)
    )
};

struct ACLRolePolicyLink {
    std::string name{};

    NL_FIELDS(ACLRolePolicyLink, (1, name))
};

struct ACLRole {
    std::string id{};
    std::string name{};
    std::string description{};
    std::vector<ACLRolePolicyLink> policies{};
    Blob hash{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ACLRole,
        (1, id),
        (2, name),
        (3, description),
        (4, policies),
        (5, hash),
        (6, create_index),
        (7, modify_index)
    )
};

struct ACLRoleListStub {
    std::string id{};
    std::string name{};
    std::string description{};
    std::vector<ACLRolePolicyLink> policies{};
    Blob hash{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ACLRoleListStub,
        (1, id),
        (2, name),
        (3, description),
        (4, policies),
        (5, hash),
        (6, create_index),
        (7, modify_index)
    )
};

struct OIDCClientAssertionKey {
    std::string pem_key{};
    std::string pem_key_file{};
    std::string key_id_header{};
    std::string key_id{};
    std::string pem_cert{};
    std::string pem_cert_file{};

    NL_FIELDS(
        OIDCClientAssertionKey,
        (1, pem_key),
        (2, pem_key_file),
        (3, key_id_header),
        (4, key_id),
        (5, pem_cert),
        (6, pem_cert_file)
    )
};

struct OIDCClientAssertion {
    std::vector<std::string> audience{};
    std::string key_source{};
    std::string key_algorithm{};
    Box<OIDCClientAssertionKey> private_key{};
    StringMap extra_headers{};

    NL_FIELDS(
        OIDCClientAssertion,
        (1, audience),
        (2, key_source),
        (3, key_algorithm),
        (4, private_key),
        (5, extra_headers)
    )
};

struct ACLAuthMethodConfig {
    std::vector<std::string> jwt_validation_pub_keys{};
    std::string jwksurl{};
    std::string oidc_discovery_url{};
    std::string oidc_client_id{};
    std::string oidc_client_secret{};
    Box<OIDCClientAssertion> oidc_client_assertion{};
    bool oidc_enable_pkce{};
    bool oidc_disable_user_info{};
    std::vector<std::string> oidc_scopes{};
    std::vector<std::string> bound_audiences{};
    std::vector<std::string> bound_issuer{};
    std::vector<std::string> allowed_redirect_uris{};
    std::vector<std::string> discovery_ca_pem{};
    std::string jwks_ca_cert{};
    std::vector<std::string> signing_algs{};
    Duration expiration_leeway{};
    Duration not_before_leeway{};
    Duration clock_skew_leeway{};
    StringMap claim_mappings{};
    StringMap list_claim_mappings{};
    bool verbose_logging{};

    NL_FIELDS(
        ACLAuthMethodConfig,
        (1, jwt_validation_pub_keys),
        (2, jwksurl),
        (3, oidc_discovery_url),
        (4, oidc_client_id),
        (5, oidc_client_secret),
        (6, oidc_client_assertion),
        (7, oidc_enable_pkce),
        (8, oidc_disable_user_info),
        (9, oidc_scopes),
        (10, bound_audiences),
        (11, bound_issuer),
        (12, allowed_redirect_uris),
        (13, discovery_ca_pem),
        (14, jwks_ca_cert),
        (15, signing_algs),
        (16, expiration_leeway),
        (17, not_before_leeway),
        (18, clock_skew_leeway),
        (19, claim_mappings),
        (20, list_claim_mappings),
        (21, verbose_logging)
    )
};

struct ACLAuthMethod {
    std::string name{};
    std::string type{};
    std::string token_locality{};
    std::string token_name_format{};
    Duration max_token_ttl{};
    bool default_{};
    Box<ACLAuthMethodConfig> config{};
    Blob hash{};
    WallTime create_time{};
    WallTime modify_time{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ACLAuthMethod,
        (1, name),
        (2, type),
        (3, token_locality),
        (4, token_name_format),
        (5, max_token_ttl),
        (6, default_),
        (7, config),
        (8, hash),
        (9, create_time),
        (10, modify_time),
        (11, create_index),
        (12, modify_index)
    )
};

struct ACLAuthMethodStub {
    std::string name{};
    std::string type{};
    bool default_{};
    Blob hash{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ACLAuthMethodStub,
        (1, name),
        (2, type),
        (3, default_),
        (4, hash),
        (5, create_index),
        (6, modify_index)
    )
};

struct ACLBindingRule {
    std::string id{};
    std::string description{};
    std::string auth_method{};
    std::string selector{};
    std::string bind_type{};
    std::string bind_name{};
    Blob hash{};
    WallTime create_time{};
    WallTime modify_time{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ACLBindingRule,
        (1, id),
        (2, description),
        (3, auth_method),
        (4, selector),
        (5, bind_type),
        (6, bind_name),
        (7, hash),
        (8, create_time),
        (9, modify_time),
        (10, create_index),
        (11, modify_index)
    )
};

struct ACLBindingRuleListStub {
    std::string id{};
    std::string description{};
    std::string auth_method{};
    Blob hash{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        ACLBindingRuleListStub,
        (1, id),
        (2, description),
        (3, auth_method),
        (4, hash),
        (5, create_index),
        (6, modify_index)
    )
};

struct OneTimeToken {
    std::string one_time_secret_id{};
    std::string accessor_id{};
    WallTime expires_at{};
    Index create_index{};
    Index modify_index{};

    NL_FIELDS(
        OneTimeToken,
        (1, one_time_secret_id),
        (2, accessor_id),
        (3, expires_at),
        (4, create_index),
        (5, modify_index)
    )
};

}  // namespace nl::model

namespace nl::codec {
extern template const StructType& struct_type<model::ACLTokenRoleLink>();
extern template const StructType& struct_type<model::ACLToken>();
extern template const StructType& struct_type<model::ACLTokenListStub>();
extern template const StructType& struct_type<model::JobACL>();
extern template const StructType& struct_type<model::ACLPolicy>();
extern template const StructType& struct_type<model::ACLPolicyListStub>();
extern template const StructType& struct_type<model::ACLRolePolicyLink>();
extern template const StructType& struct_type<model::ACLRole>();
extern template const StructType& struct_type<model::ACLRoleListStub>();
extern template const StructType& struct_type<model::OIDCClientAssertionKey>();
extern template const StructType& struct_type<model::OIDCClientAssertion>();
extern template const StructType& struct_type<model::ACLAuthMethodConfig>();
extern template const StructType& struct_type<model::ACLAuthMethod>();
extern template const StructType& struct_type<model::ACLAuthMethodStub>();
extern template const StructType& struct_type<model::ACLBindingRule>();
extern template const StructType& struct_type<model::ACLBindingRuleListStub>();
extern template const StructType& struct_type<model::OneTimeToken>();
}  // namespace nl::codec
