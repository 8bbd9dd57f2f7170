#include "api/testing/cluster_rig.h"
#include "policy/identity.h"
#include "policy/keyring.h"
#include "state/commands/records.h"
#include "state/commands/settings.h"
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
std::int64_t index_in(const Response& response) {
    const Value value = parsed(response);
    return value.as_map() != nullptr ? *value.as_map()->at("ModifyIndex").as_int() : -1;
}

struct Keyed : ClusterRig {
    Keyed() { add_root_key(); }

    Response put(const std::string& path, const std::string& query = "") {
        return ask("PUT", "/v1/var/" + path + query, R"({"Items":{"user":"u","pass":"hush"}})");
    }
};

TEST(Variables, AreWrittenReadListedAndDeleted) {
    Keyed rig;
    const Response made = rig.put("app/db");
    ASSERT_EQ(made.status, 200) << made.body;
    EXPECT_NE(made.body.find("\"pass\":\"hush\""), std::string::npos) << made.body;
    const Response read = rig.ask("GET", "/v1/var/app/db");
    EXPECT_EQ(read.body, made.body);
    EXPECT_EQ(header_of(read, "X-Nomad-Index"), fmt::format("{}", index_in(made)));
    const Response list = rig.ask("GET", "/v1/vars?prefix=app");
    EXPECT_EQ(parsed(list).as_list()->size(), 1U);
    EXPECT_EQ(list.body.find("Items"), std::string::npos);
    EXPECT_EQ(rig.ask("GET", "/v1/vars?prefix=b").body, "[]");
    const Response missing = rig.ask("GET", "/v1/var/none");
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(missing.body, "variable not found");
    const Response gone = rig.ask("DELETE", "/v1/var/app/db");
    EXPECT_EQ(gone.status, 204);
    EXPECT_EQ(gone.body, "");
    EXPECT_EQ(rig.ask("GET", "/v1/var/app/db").status, 404);
    EXPECT_EQ(rig.ask("DELETE", "/v1/var/app/db").status, 204);
}

TEST(Variables, NothingReadableIsProposedOrStored) {
    Keyed rig;
    Outcome outcome = rig.handle(ClusterRig::request(
        "PUT", "/v1/var/app/db", R"({"Items":{"user":"someone","pass":"hush-hush"}})"
    ));
    auto* parked = std::get_if<Parked>(&outcome);
    ASSERT_NE(parked, nullptr);
    const Bytes command = encode(std::get<WaitProposal>(parked->on).command);
    EXPECT_EQ(command.find("hush"), Bytes::npos);
    EXPECT_EQ(command.find("someone"), Bytes::npos);
    EXPECT_NE(command.find("app/db"), Bytes::npos);
    ASSERT_TRUE(std::holds_alternative<Response>(rig.settle(std::move(outcome))));
    Bytes saved;
    ASSERT_TRUE(state::Store::save(rig.store.snapshot(), [&](BytesView chunk) -> Result<void> {
                    saved += chunk;
                    return {};
                }).has_value());
    EXPECT_EQ(saved.find("hush"), Bytes::npos);
    EXPECT_EQ(saved.find(rig.keyring->keys.begin()->second->aead), Bytes::npos);
}

TEST(Variables, CheckAndSetLetsOneOfTwoWin) {
    Keyed rig;
    ASSERT_EQ(rig.put("a", "?cas=0").status, 200);
    const Response again = rig.put("a", "?cas=0");
    EXPECT_EQ(again.status, 409);
    EXPECT_NE(again.body.find("\"pass\":\"hush\""), std::string::npos) << again.body;
    const std::int64_t index = index_in(again);
    // Both were made from the same reading; both are on their way at once.
    const std::string target = fmt::format("/v1/var/a?cas={}", index);
    Outcome first = rig.handle(ClusterRig::request("PUT", target, R"({"Items":{"x":"1"}})"));
    Outcome second = rig.handle(ClusterRig::request("PUT", target, R"({"Items":{"x":"2"}})"));
    first = rig.settle(std::move(first));
    second = rig.settle(std::move(second));
    EXPECT_EQ(std::get<Response>(first).status, 200);
    EXPECT_EQ(std::get<Response>(second).status, 409);
    const Response absent = rig.put("b", "?cas=5");
    EXPECT_EQ(absent.status, 409);
    EXPECT_EQ(index_in(absent), 0);
    EXPECT_EQ(rig.put("a", "?cas=x").status, 400);
    EXPECT_EQ(rig.ask("DELETE", "/v1/var/a?cas=1").status, 409);
    EXPECT_EQ(
        rig.ask("DELETE", fmt::format("/v1/var/a?cas={}", index_in(rig.ask("GET", "/v1/var/a")))).status,
        204
    );
}

TEST(Variables, HaveTheirLimits) {
    Keyed rig;
    for (const char* path : {"a*b", "nomad", "nomad/x", "nomad/job-templates", "nomad/job-templates/a/b"}) {
        const Response refused = rig.put(path);
        EXPECT_EQ(refused.status, 400) << path << refused.body;
        EXPECT_TRUE(refused.body.starts_with("RPC Error:: 400,")) << refused.body;
    }
    EXPECT_EQ(rig.put(std::string(129, 'a')).status, 400);
    for (const char* path : {"nomad/jobs", "nomad/jobs/a/b", "nomad/job-templates/a", "A~_-/9"}) {
        EXPECT_EQ(rig.put(path).status, 200) << path;
    }
    EXPECT_EQ(
        rig.ask("PUT", "/v1/var/a", "{\"Items\":{}}").body, "variable missing required Items object"
    );
    EXPECT_EQ(rig.ask("PUT", "/v1/var/a", "{}").status, 400);
    EXPECT_EQ(rig.ask("PUT", "/v1/var/a", "").body, "Request body is empty");
    EXPECT_EQ(rig.ask("PUT", "/v1/var/").body, "missing variable path");
    const auto sized = [&](std::size_t size) {
        return rig.ask("PUT", "/v1/var/a", "{\"Items\":{\"k\":\"" + std::string(size - 1, 'v') + "\"}}");
    };
    EXPECT_EQ(sized(64U << 10).status, 200);
    EXPECT_EQ(sized((64U << 10) + 1).status, 400);
    EXPECT_EQ(rig.put("a", "?namespace=none").status, 400);
    EXPECT_EQ(rig.put("a", "?namespace=*").status, 400);
    EXPECT_EQ(rig.ask("POST", "/v1/vars").status, 405);
}

TEST(Variables, AWriteWaitsForTheFirstKey) {
    ClusterRig rig;
    Outcome outcome = rig.handle(
        ClusterRig::request("PUT", "/v1/var/a", R"({"Items":{"k":"v"}})")
    );
    auto* parked = std::get_if<Parked>(&outcome);
    ASSERT_NE(parked, nullptr);
    ASSERT_TRUE(std::holds_alternative<WaitChange>(parked->on));
    rig.add_root_key();
    Outcome after = rig.settle(parked->resume(rig.context(), Woken{}));
    EXPECT_EQ(std::get<Response>(after).status, 200);

    ClusterRig never;
    outcome = never.handle(ClusterRig::request("PUT", "/v1/var/a", R"({"Items":{"k":"v"}})"));
    parked = std::get_if<Parked>(&outcome);
    ASSERT_NE(parked, nullptr);
    never.now = never.now + seconds(60);
    after = parked->resume(never.context(), Woken{.timed_out = true});
    EXPECT_EQ(std::get<Response>(after).status, 500);
}

TEST(Variables, LocksAreHeldByTheirId) {
    Keyed rig;
    const Response held = rig.ask(
        "PUT", "/v1/var/lock?lock-acquire", R"({"Lock":{"TTL":"20s"},"Items":{"k":"v"}})"
    );
    ASSERT_EQ(held.status, 200) << held.body;
    const Value value = parsed(held);
    const auto& lock = *value.as_map()->at("Lock").as_map();
    const std::string id = *lock.at("ID").as_string();
    EXPECT_EQ(*lock.at("TTL").as_string(), "20s");
    EXPECT_EQ(*lock.at("LockDelay").as_string(), "15s");
    const Response taken = rig.ask("PUT", "/v1/var/lock?lock-acquire", "{}");
    EXPECT_EQ(taken.status, 400);
    EXPECT_EQ(taken.body, "variable already holds a lock");
    const Response blocked = rig.put("lock");
    EXPECT_EQ(blocked.status, 409);
    EXPECT_EQ(blocked.body, "attempting to modify locked variable");
    EXPECT_EQ(rig.ask("DELETE", "/v1/var/lock").status, 409);
    const std::string mine = "{\"Lock\":{\"ID\":\"" + id + "\"}";
    EXPECT_EQ(rig.ask("PUT", "/v1/var/lock", mine + ",\"Items\":{\"k\":\"w\"}}").status, 200);
    EXPECT_NE(rig.ask("GET", "/v1/var/lock").body.find(id), std::string::npos);

    rig.servers = [&](const WaitServer& call) {
        EXPECT_EQ(std::get<RenewLock>(call.call).lock_id, id);
        return ServerAnswered{};
    };
    EXPECT_EQ(rig.ask("PUT", "/v1/var/lock?lock-renew", mine + "}").status, 200);
    EXPECT_EQ(
        rig.ask("PUT", "/v1/var/lock?lock-renew", R"({"Lock":{"ID":"other"}})").body,
        "variable doesn't hold a lock"
    );
    EXPECT_EQ(rig.ask("PUT", "/v1/var/none?lock-renew", mine + "}").status, 404);
    EXPECT_EQ(
        rig.ask("PUT", "/v1/var/lock?lock-release", "{}").body, "missing lock information"
    );
    EXPECT_EQ(
        rig.ask("PUT", "/v1/var/lock?lock-release", mine + ",\"Items\":{\"k\":\"v\"}}").status, 400
    );
    EXPECT_EQ(rig.ask("PUT", "/v1/var/lock?lock-acquire&cas=1", "{}").status, 400);
    EXPECT_EQ(rig.ask("PUT", "/v1/var/lock?lock-acquire&lock-renew", "{}").status, 400);
    EXPECT_EQ(
        rig.ask("PUT", "/v1/var/x", R"({"Lock":{"TTL":"20s"},"Items":{"k":"v"}})").body,
        "variable should not contain lock definition"
    );
    const Response released = rig.ask("PUT", "/v1/var/lock?lock-release", mine + "}");
    EXPECT_EQ(released.status, 200) << released.body;
    EXPECT_EQ(released.body.find("\"Lock\""), std::string::npos);
    EXPECT_EQ(
        rig.ask("PUT", "/v1/var/lock?lock-release", mine + "}").body, "variable doesn't hold a lock"
    );
    // What it held is still there.
    EXPECT_NE(rig.ask("GET", "/v1/var/lock").body.find("\"k\":\"w\""), std::string::npos);
    EXPECT_EQ(rig.ask("PUT", "/v1/var/t?lock-acquire", R"({"Lock":{"TTL":"1s"}})").status, 400);
}

TEST(Variables, PathsHaveTheirRules) {
    Keyed rig;
    ASSERT_EQ(rig.put("app/db").status, 200);
    ASSERT_EQ(rig.put("other").status, 200);
    rig.agent.acl_enabled = true;
    rig.token = rig.add_token(
        "reader",
        "namespace \"default\" {\n variables {\n path \"app/*\" { capabilities = [\"read\"] }\n path "
        "\"list/*\" { capabilities = [\"list\"] }\n path \"write/*\" { capabilities = [\"write\"] }\n "
        "}\n}"
    );
    EXPECT_EQ(rig.ask("GET", "/v1/var/app/db").status, 200);
    EXPECT_EQ(rig.ask("GET", "/v1/var/other").status, 403);
    EXPECT_EQ(rig.put("app/db").status, 403);
    EXPECT_EQ(rig.ask("DELETE", "/v1/var/app/db").status, 403);
    EXPECT_EQ(parsed(rig.ask("GET", "/v1/vars")).as_list()->size(), 1U);
    EXPECT_EQ(parsed(rig.ask("GET", "/v1/vars?namespace=*")).as_list()->size(), 1U);
    // Who may write but not read learns nothing from a conflict.
    const Response written = rig.put("write/a");
    EXPECT_EQ(written.status, 200) << written.body;
    const Response conflict = rig.put("write/a", "?cas=1");
    EXPECT_EQ(conflict.status, 409);
    EXPECT_EQ(conflict.body.find("hush"), std::string::npos) << conflict.body;
    // The namespace of the body counts as much as that of the query.
    model::Namespace other;
    other.name = "t2";
    rig.apply_body(state::commands::NamespaceUpsert{{other}});
    const Response moved =
        rig.ask("PUT", "/v1/var/write/b", R"({"Namespace":"t2","Items":{"k":"v"}})");
    EXPECT_EQ(moved.status, 403);
    EXPECT_EQ(rig.store.snapshot().variable("t2", "write/b"), nullptr);
}

TEST(Keyring, RootKeysAreListedRotatedAndDeleted) {
    Keyed rig;
    const Value keys = parsed(rig.ask("GET", "/v1/operator/keyring/keys"));
    ASSERT_EQ(keys.as_list()->size(), 1U);
    const std::string first = *(*keys.as_list())[0].as_map()->at("KeyID").as_string();
    const Response active = rig.ask("DELETE", "/v1/operator/keyring/key/" + first);
    EXPECT_EQ(active.status, 500);
    EXPECT_EQ(active.body, "active root key cannot be deleted - call rotate first");
    ASSERT_EQ(rig.put("a").status, 200);
    rig.servers = [&](const WaitServer& call) {
        const auto& turn = std::get<RotateRootKey>(call.call);
        EXPECT_TRUE(turn.full);
        rig.add_root_key();
        ServerAnswered answer;
        for (const auto& row : rig.store.snapshot().root_keys()) {
            answer.text = row.meta.state == "active" ? row.meta.key_id : answer.text;
        }
        answer.index = rig.store.index();
        return answer;
    };
    const Response turned = rig.ask("PUT", "/v1/operator/keyring/rotate?full=true");
    EXPECT_EQ(turned.status, 200) << turned.body;
    EXPECT_NE(turned.body.find("\"State\":\"active\""), std::string::npos) << turned.body;
    EXPECT_EQ(rig.ask("PUT", "/v1/operator/keyring/rotate?full=true&publish_time=5").status, 400);
    EXPECT_EQ(
        rig.ask("DELETE", "/v1/operator/keyring/key/" + first).body,
        "root key in use, cannot delete"
    );
    EXPECT_EQ(rig.ask("DELETE", "/v1/operator/keyring/key/" + first + "?force=x").status, 422);
    // A variable of the old key is still read, and the new one encrypts what is written now.
    EXPECT_EQ(rig.ask("GET", "/v1/var/a").status, 200);
    ASSERT_EQ(rig.put("a").status, 200);
    EXPECT_NE(rig.store.snapshot().variable("default", "a")->key_id, first);
    EXPECT_EQ(rig.ask("DELETE", "/v1/operator/keyring/key/" + first).status, 200);
}

TEST(Keyring, TheWorldSeesPublicParts) {
    Keyed rig;
    const Response keys = rig.ask("GET", "/.well-known/jwks.json");
    EXPECT_EQ(keys.status, 200);
    EXPECT_NE(header_of(keys, "Cache-Control"), "");
    const Value answer = parsed(keys);
    EXPECT_EQ(answer.as_map()->at("keys").as_list()->size(), 1U);
    const policy::RootKey& key = *rig.keyring->keys.begin()->second;
    EXPECT_EQ(keys.body.find(base64url_encode(key.ed25519)), std::string::npos);
    const Response closed = rig.ask("GET", "/.well-known/openid-configuration");
    EXPECT_EQ(closed.status, 404);
    EXPECT_EQ(closed.body, "OIDC Discovery endpoint disabled");
    rig.agent.oidc_issuer = "https://nomad.example";
    const Response open = rig.ask("GET", "/.well-known/openid-configuration");
    EXPECT_NE(
        open.body.find("\"jwks_uri\":\"https://nomad.example/.well-known/jwks.json\""),
        std::string::npos
    );
}

}  // namespace
}  // namespace nl::api
