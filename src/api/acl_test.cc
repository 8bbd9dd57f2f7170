#include "api/testing/cluster_rig.h"
#include "state/commands/records.h"
#include "wire/value_json.h"

#include <gtest/gtest.h>

namespace nl::api {
namespace {

using testing::ClusterRig;
using testing::header_of;

Value parsed(const Response& response) {
    const auto value = wire::parse_json(response.body);
    EXPECT_TRUE(value.has_value()) << response.body;
    return value.value_or(Value());
}
std::string text_in(const Response& response, const std::string& key) {
    const Value value = parsed(response);
    const auto* map = value.as_map();
    const auto found = map != nullptr ? map->find(key) : Value::Map::const_iterator();
    const auto* text = map != nullptr && found != map->end() ? found->second.as_string() : nullptr;
    return text != nullptr ? *text : "";
}

struct Bootstrapped {
    ClusterRig rig;
    std::string accessor;

    Bootstrapped() {
        rig.agent.acl_enabled = true;
        const Response answer = rig.ask("PUT", "/v1/acl/bootstrap");
        EXPECT_EQ(answer.status, 200) << answer.body;
        rig.token = text_in(answer, "SecretID");
        accessor = text_in(answer, "AccessorID");
    }
    Response as(const std::string& token, const std::string& method, const std::string& target) {
        const std::string before = std::exchange(rig.token, token);
        Response out = rig.ask(method, target);
        rig.token = before;
        return out;
    }
};

constexpr const char* kPolicy = R"({"Name":"ro","Description":"read",
    "Rules":"namespace \"default\" { policy = \"read\" }"})";

TEST(Acl, BootstrapsOnceUnlessReset) {
    ClusterRig rig;
    EXPECT_EQ(rig.ask("PUT", "/v1/acl/bootstrap").body, "ACL support disabled");
    EXPECT_EQ(rig.ask("GET", "/v1/acl/tokens").status, 400);
    rig.agent.acl_enabled = true;
    EXPECT_EQ(
        rig.ask("PUT", "/v1/acl/bootstrap", R"({"BootstrapSecret":"short"})").body,
        "invalid acl token"
    );
    const std::string secret = "2b778dd9-f5f1-6f29-b4b4-9a5fa948757a";
    const Response made =
        rig.ask("PUT", "/v1/acl/bootstrap", "{\"BootstrapSecret\":\"" + secret + "\"}");
    EXPECT_EQ(text_in(made, "SecretID"), secret);
    EXPECT_EQ(text_in(made, "Name"), "Bootstrap Token");
    EXPECT_EQ(text_in(made, "ExpirationTTL"), "");
    const Index done = rig.store.snapshot().cluster_meta().acl_bootstrap_index;
    EXPECT_EQ(header_of(made, "X-Nomad-Index"), fmt::format("{}", done));

    std::string file;
    rig.servers = [&](const WaitServer& call) {
        EXPECT_TRUE(std::holds_alternative<ReadBootstrapReset>(call.call));
        ServerAnswered answer;
        answer.text = file;
        return answer;
    };
    const Response again = rig.ask("PUT", "/v1/acl/bootstrap");
    EXPECT_EQ(again.status, 400);
    EXPECT_EQ(again.body, fmt::format("ACL bootstrap already done (reset index: {})", done));
    file = "77";
    EXPECT_EQ(
        rig.ask("PUT", "/v1/acl/bootstrap").body,
        fmt::format("Invalid bootstrap reset index (specified 77, reset index: {})", done)
    );
    file = fmt::format("{}", done);
    const Response reset = rig.ask("PUT", "/v1/acl/bootstrap");
    EXPECT_EQ(reset.status, 200) << reset.body;
    EXPECT_NE(text_in(reset, "SecretID"), secret);
    // The same file does not open it a second time.
    EXPECT_EQ(rig.ask("PUT", "/v1/acl/bootstrap").status, 400);
}

TEST(Acl, PoliciesAreWrittenReadAndDeleted) {
    Bootstrapped b;
    const Response written = b.rig.ask("PUT", "/v1/acl/policy/ro", kPolicy);
    EXPECT_EQ(written.status, 200) << written.body;
    EXPECT_EQ(written.body, "");
    const Response read = b.rig.ask("GET", "/v1/acl/policy/ro");
    EXPECT_NE(read.body.find("\"RulesJSON\":{\"Agent\":null"), std::string::npos) << read.body;
    EXPECT_NE(read.body.find("\"read-job\""), std::string::npos);
    EXPECT_EQ(b.rig.ask("GET", "/v1/acl/policies").body.find("Rules"), std::string::npos);
    EXPECT_EQ(
        b.rig.ask("PUT", "/v1/acl/policy/other", kPolicy).body,
        "ACL policy name does not match request path"
    );
    const Response bad = b.rig.ask(
        "PUT", "/v1/acl/policy/bad", R"({"Name":"bad","Rules":"namespace \"a\" { policy = \"x\" }"})"
    );
    EXPECT_EQ(bad.status, 400);
    EXPECT_TRUE(bad.body.starts_with("policy 0 invalid: 1 error occurred:\n\t* failed to parse "
                                     "rules: Invalid namespace policy: &acl.NamespacePolicy{"))
        << bad.body;
    EXPECT_EQ(b.rig.ask("GET", "/v1/acl/policy/none").body, "ACL policy not found");
    EXPECT_EQ(b.rig.ask("DELETE", "/v1/acl/policy/ro").status, 200);
    EXPECT_EQ(b.rig.ask("GET", "/v1/acl/policies").body, "[]");
}

TEST(Acl, TokensHaveTheirRules) {
    Bootstrapped b;
    ASSERT_EQ(b.rig.ask("PUT", "/v1/acl/policy/ro", kPolicy).status, 200);
    const auto refused = [&](const std::string& body) {
        const Response answer = b.rig.ask("PUT", "/v1/acl/token", body);
        EXPECT_EQ(answer.status, 400) << answer.body;
        return answer.body;
    };
    EXPECT_EQ(
        refused(R"({"Name":"x","Type":"client"})"),
        "token 0 invalid: 1 error occurred:\n\t* client token missing policies or roles\n\n"
    );
    EXPECT_EQ(
        refused(R"({"Type":"management","Policies":["ro"]})"),
        "token 0 invalid: 1 error occurred:\n\t* management token cannot be associated with "
        "policies or roles\n\n"
    );
    EXPECT_NE(refused(R"({"Type":"nope"})").find("must be client or management"), std::string::npos);
    EXPECT_NE(
        refused(R"({"Type":"client","Policies":["ro"],"ExpirationTTL":"1s"})")
            .find("expiration time cannot be less than 1m0s in the future (was 1s)"),
        std::string::npos
    );
    EXPECT_NE(
        refused(R"({"Type":"client","Policies":["ro"],"ExpirationTTL":"25h"})")
            .find("expiration time cannot be more than 24h0m0s in the future (was 25h0m0s)"),
        std::string::npos
    );
    EXPECT_EQ(
        refused(R"({"Type":"client","Roles":[{"Name":"none"}]})"), "cannot find role none"
    );
    EXPECT_EQ(
        refused(R"({"Type":"management","AccessorID":"a0000000-0000-4000-8000-000000000001"})"),
        "cannot find token a0000000-0000-4000-8000-000000000001"
    );
    EXPECT_EQ(
        refused("{\"Type\":\"management\",\"AccessorID\":\"A0000000-0000-4000-8000-000000000001\","
                "\"SecretID\":\"nothing\"}"),
        "the accessor id and secret id of a token must be lower-case UUIDs"
    );
    // A token made elsewhere, with its secret.
    const std::string uploaded =
        R"({"Type":"management","AccessorID":"a0000000-0000-4000-8000-000000000001",)"
        R"("SecretID":"b0000000-0000-4000-8000-000000000001"})";
    EXPECT_EQ(b.rig.ask("PUT", "/v1/acl/token", uploaded).status, 200);
    EXPECT_EQ(
        refused(R"({"Type":"management","AccessorID":"a0000000-0000-4000-8000-000000000002",)"
                R"("SecretID":"b0000000-0000-4000-8000-000000000001"})"),
        "the secret id of the token is taken"
    );

    const Response made = b.rig.ask(
        "PUT", "/v1/acl/token", R"({"Name":"r","Type":"client","Policies":["ro"],"ExpirationTTL":"1h"})"
    );
    ASSERT_EQ(made.status, 200) << made.body;
    const std::string accessor = text_in(made, "AccessorID");
    const std::string secret = text_in(made, "SecretID");
    EXPECT_EQ(text_in(made, "ExpirationTTL"), "1h0m0s");
    EXPECT_EQ(
        b.rig.ask(
                 "PUT",
                 "/v1/acl/token/" + accessor,
                 "{\"AccessorID\":\"" + accessor +
                     "\",\"Name\":\"r2\",\"Type\":\"client\",\"Policies\":[\"ro\"]}"
        ).body,
        "token 0 invalid: 1 error occurred:\n\t* cannot update expiration TTL\n\n"
    );
    const Response updated = b.rig.ask(
        "PUT",
        "/v1/acl/token/" + accessor,
        "{\"AccessorID\":\"" + accessor +
            "\",\"Name\":\"r2\",\"Type\":\"client\",\"Policies\":[\"ro\"],\"ExpirationTTL\":\"1h\"}"
    );
    EXPECT_EQ(text_in(updated, "Name"), "r2") << updated.body;
    EXPECT_EQ(text_in(updated, "SecretID"), secret);
    EXPECT_EQ(
        b.rig.ask("PUT", "/v1/acl/token/" + accessor, R"({"Type":"client"})").body,
        "ACL token accessor does not match request path"
    );

    // What the token itself may see.
    EXPECT_EQ(text_in(b.as(secret, "GET", "/v1/acl/token/self"), "AccessorID"), accessor);
    EXPECT_EQ(b.as(secret, "GET", "/v1/acl/token/" + accessor).status, 200);
    EXPECT_EQ(b.as(secret, "GET", "/v1/acl/token/" + b.accessor).status, 403);
    EXPECT_EQ(b.as(secret, "GET", "/v1/acl/tokens").status, 403);
    EXPECT_EQ(b.as(secret, "GET", "/v1/acl/policy/ro").status, 200);
    EXPECT_EQ(b.as(secret, "GET", "/v1/acl/policy/other").status, 403);
    EXPECT_NE(b.as(secret, "GET", "/v1/acl/policy/self").body.find("\"ro\""), std::string::npos);
    const Response nobody = b.as("", "GET", "/v1/acl/token/self");
    EXPECT_EQ(nobody.status, 404);
    EXPECT_EQ(nobody.body, "ACL token not found");
    EXPECT_EQ(b.rig.ask("GET", "/v1/acl/token/foo").status, 500);
    EXPECT_EQ(
        b.rig.ask("GET", "/v1/acl/token/c0000000-0000-4000-8000-000000000001").status, 404
    );
    // Lists show no secrets.
    const Response list = b.rig.ask("GET", "/v1/acl/tokens");
    EXPECT_EQ(list.body.find(secret), std::string::npos);
    EXPECT_EQ(parsed(list).as_list()->size(), 3U);

    b.rig.wall = b.rig.wall + hours(1);
    EXPECT_EQ(b.as(secret, "GET", "/v1/jobs").status, 403);
    EXPECT_EQ(b.rig.ask("DELETE", "/v1/acl/token/" + accessor).status, 200);
    EXPECT_EQ(
        b.rig.ask("DELETE", "/v1/acl/token/" + accessor).body,
        "Cannot delete nonexistent tokens: " + accessor
    );
}

TEST(Acl, RolesGiveTheirPolicies) {
    Bootstrapped b;
    EXPECT_EQ(
        b.rig.ask("PUT", "/v1/acl/role", R"({"Name":"v","Policies":[{"Name":"ro"}]})").body,
        "cannot find policy ro"
    );
    ASSERT_EQ(b.rig.ask("PUT", "/v1/acl/policy/ro", kPolicy).status, 200);
    EXPECT_NE(
        b.rig.ask("PUT", "/v1/acl/role", R"({"Name":"v w"})").body.find("invalid name 'v w'"),
        std::string::npos
    );
    const Response made =
        b.rig.ask("PUT", "/v1/acl/role", R"({"Name":"v","Policies":[{"Name":"ro"}]})");
    ASSERT_EQ(made.status, 200) << made.body;
    const std::string id = text_in(made, "ID");
    EXPECT_EQ(
        b.rig.ask("PUT", "/v1/acl/role", R"({"Name":"v","Policies":[{"Name":"ro"}]})").body,
        "role with name v already exists"
    );
    const Response token = b.rig.ask(
        "PUT", "/v1/acl/token", R"({"Name":"r","Type":"client","Roles":[{"Name":"v"}]})"
    );
    ASSERT_EQ(token.status, 200) << token.body;
    EXPECT_NE(token.body.find(id), std::string::npos);
    const std::string secret = text_in(token, "SecretID");
    EXPECT_EQ(b.as(secret, "GET", "/v1/jobs").status, 200);
    EXPECT_EQ(b.as(secret, "GET", "/v1/acl/role/" + id).status, 200);
    EXPECT_EQ(b.as(secret, "GET", "/v1/acl/role/name/v").status, 200);
    EXPECT_EQ(parsed(b.as(secret, "GET", "/v1/acl/roles")).as_list()->size(), 1U);
    EXPECT_EQ(b.rig.ask("DELETE", "/v1/acl/role/" + id).status, 200);
    EXPECT_EQ(b.rig.ask("GET", "/v1/acl/role/" + id).body, "ACL role not found");
    EXPECT_EQ(b.as(secret, "GET", "/v1/jobs").status, 403);
}

TEST(Acl, AOneTimeTokenIsExchangedOnce) {
    Bootstrapped b;
    const auto make = [&] {
        const Value answer = parsed(b.rig.ask("PUT", "/v1/acl/token/onetime"));
        const auto& one = *answer.as_map()->at("OneTimeToken").as_map();
        return *one.at("OneTimeSecretID").as_string();
    };
    const auto exchange = [&](const std::string& secret) {
        const std::string before = std::exchange(b.rig.token, "");
        Response out = b.rig.ask(
            "PUT", "/v1/acl/token/onetime/exchange", "{\"OneTimeSecretID\":\"" + secret + "\"}"
        );
        b.rig.token = before;
        return out;
    };
    const std::string first = make();
    const Response got = exchange(first);
    ASSERT_EQ(got.status, 200) << got.body;
    EXPECT_NE(got.body.find(b.rig.token), std::string::npos);
    EXPECT_EQ(exchange(first).status, 403);
    EXPECT_EQ(exchange("").status, 403);
    const std::string late = make();
    b.rig.wall = b.rig.wall + minutes(10);
    EXPECT_EQ(exchange(late).status, 403);
    EXPECT_EQ(b.as("", "PUT", "/v1/acl/token/onetime").status, 403);
}

TEST(Acl, AuthMethodsKeepTheirSecrets) {
    Bootstrapped b;
    EXPECT_EQ(b.as("", "GET", "/v1/acl/auth-methods").body, "[]");
    const Response bad = b.rig.ask("PUT", "/v1/acl/auth-method", R"({"Name":"o","Type":"X"})");
    EXPECT_EQ(bad.status, 400);
    EXPECT_NE(bad.body.find("invalid token type 'X'"), std::string::npos) << bad.body;
    const std::string method =
        R"({"Name":"o","Type":"OIDC","TokenLocality":"local","MaxTokenTTL":"1h",)"
        R"("Config":{"OIDCDiscoveryURL":"https://x","OIDCClientSecret":"hush"}})";
    const Response made = b.rig.ask("PUT", "/v1/acl/auth-method", method);
    ASSERT_EQ(made.status, 200) << made.body;
    EXPECT_EQ(made.body.find("hush"), std::string::npos);
    const Response read = b.rig.ask("GET", "/v1/acl/auth-method/o");
    EXPECT_NE(read.body.find("\"OIDCClientSecret\":\"redacted\""), std::string::npos) << read.body;
    // What was shown may be sent back.
    EXPECT_EQ(b.rig.ask("PUT", "/v1/acl/auth-method/o", read.body).status, 200);
    const auto snapshot = b.rig.store.snapshot();
    EXPECT_EQ(snapshot.acl_auth_method("o")->config->oidc_client_secret, "hush");
    const Response rule = b.rig.ask(
        "PUT",
        "/v1/acl/binding-rule",
        R"({"AuthMethod":"o","BindType":"policy","BindName":"ro"})"
    );
    ASSERT_EQ(rule.status, 200) << rule.body;
    EXPECT_EQ(
        b.rig.ask("GET", "/v1/acl/binding-rule/" + text_in(rule, "ID")).status, 200
    );
    EXPECT_EQ(
        b.rig.ask("PUT", "/v1/acl/binding-rule", R"({"AuthMethod":"x","BindType":"management"})").body,
        "auth method x not found"
    );
    const Response login =
        b.as("", "PUT", "/v1/acl/login");
    EXPECT_EQ(login.status, 400);
    const std::string before = std::exchange(b.rig.token, "");
    EXPECT_EQ(
        b.rig.ask("PUT", "/v1/acl/login", R"({"AuthMethodName":"none","LoginToken":"x"})").body,
        "auth-method \"none\" not found"
    );
    b.rig.token = before;
    EXPECT_EQ(b.rig.ask("DELETE", "/v1/acl/auth-method/o").status, 200);
}

}  // namespace
}  // namespace nl::api
