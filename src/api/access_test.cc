#include "api/access.h"

#include "api/testing/cluster_rig.h"
#include "policy/identity.h"
#include "policy/keyring.h"
#include "server/identities.h"
#include "state/commands/records.h"
#include "state/commands/settings.h"
#include "wire/value_json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace nl::api {
namespace {

using testing::ClusterRig;

std::string job_json(const std::string& id, const std::string& ns) {
    return fmt::format(
        R"({{"Job":{{"ID":"{0}","Name":"{0}","Namespace":"{1}","Type":"service",)"
        R"("Datacenters":["*"],"TaskGroups":[{{"Name":"g","Count":1,"Tasks":[{{"Name":"t",)"
        R"("Driver":"raw_exec","Config":{{"command":"/bin/true"}}}}]}}]}}}})",
        id,
        ns
    );
}

/// Two namespaces with a job and an allocation each, and ACLs on.
struct Tenants {
    ClusterRig rig;
    std::string manager;
    Uuid node;
    std::map<std::string, Uuid> allocs;
    std::map<std::string, std::string> evals;

    Tenants() {
        node = rig.add_node("n1");
        model::Namespace t1;
        t1.name = "t1";
        model::Namespace t2;
        t2.name = "t2";
        rig.apply_body(state::commands::NamespaceUpsert{{t1, t2}});
        for (const std::string ns : {"t1", "t2"}) {
            evals[ns] = rig.register_job(job_json("web", ns));
            allocs[ns] = rig.place("web", node, ns);
        }
        rig.add_root_key();
        rig.agent.acl_enabled = true;
        manager = rig.add_token("manager", "");
    }

    Response ask_as(
        const std::string& token, const std::string& method, const std::string& target, Bytes body = {}
    ) {
        rig.token = token;
        Response out = rig.ask(method, target, std::move(body));
        rig.token.clear();
        return out;
    }
};

// ---- the table: every route with no token, a wrong one, too little and enough

/// The rules that one term of a route's rule needs, and no more.
std::string rules_for(std::string_view term) {
    const std::size_t colon = term.find(':');
    const std::string_view scope = term.substr(0, colon);
    const std::string word(colon == std::string_view::npos ? "" : term.substr(colon + 1));
    const auto in_namespace = [&](const std::string& capability) {
        return fmt::format("namespace \"default\" {{ capabilities = [\"{}\"] }}\n", capability);
    };
    if (term == "any" || term == "ns:any" || term == "name:any" || term == "token") {
        return in_namespace("parse-job");
    }
    if (scope == "ns" || scope == "some-ns" || scope == "alloc" || scope == "eval" ||
        scope == "deployment" || scope == "scaling") {
        return in_namespace(word);
    }
    if (scope == "pool" || scope == "some-pool") {
        return fmt::format("node_pool \"default\" {{ capabilities = [\"{}\"] }}\n", word);
    }
    if (scope == "var" || scope == "some-var" || scope == "written-var") {
        return fmt::format(
            "namespace \"default\" {{\n variables {{\n path \"default\" {{ capabilities = [\"{}\"] "
            "}}\n }}\n}}\n",
            word
        );
    }
    if (scope == "operator" && word != "read" && word != "write") {
        return fmt::format("operator {{ capabilities = [\"{}\"] }}\n", word);
    }
    return fmt::format("{} {{ policy = \"{}\" }}\n", scope, word);
}

std::vector<std::string> parts_of(std::string_view text, char at) {
    std::vector<std::string> out;
    while (true) {
        const std::size_t end = text.find(at);
        out.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return out;
        }
        text.remove_prefix(end + 1);
    }
}

TEST(Access, EveryRouteWithNoTokenAWrongOneTooLittleAndEnough) {
    ClusterRig rig;
    rig.agent.acl_enabled = true;
    const std::string manager = rig.add_token("manager", "");
    // Allows something that no route asks for.
    const std::string little = rig.add_token(
        "little", "namespace \"default\" { capabilities = [\"sentinel-override\"] }"
    );
    std::size_t number = 0;
    for (const Route& route : routes()) {
        const Context context = rig.context();
        PathValues path;
        for (std::size_t i = std::ranges::count(route.pattern, '{') > 0 ? 1 : 0; i > 0; --i) {
            path.values.emplace_back("default");
        }
        const auto allowed = [&](const std::string& token) {
            Request request = ClusterRig::request("GET", "/");
            if (!token.empty()) {
                request.headers.push_back({"x-nomad-token", token});
            }
            const auto admission = admit(request, route, path, rig.context());
            return admission.has_value() && !admission->hidden;
        };
        const std::string what = fmt::format("{} [{}]", route.pattern, route.rule);
        const bool open = route.rule == "anon";
        EXPECT_EQ(allowed(""), open) << what;
        EXPECT_EQ(allowed("c0000000-0000-0000-0000-000000000009"), open) << what;
        EXPECT_EQ(allowed("nonsense"), open) << what;
        EXPECT_TRUE(allowed(manager)) << what;
        if (open) {
            continue;
        }
        const bool any_token =
            route.rule == "any" || route.rule == "token" || route.rule == "ns:any" ||
            route.rule == "name:any";
        EXPECT_EQ(allowed(little), any_token) << what;
        if (route.rule == "management") {
            continue;
        }
        for (const std::string& alternative : parts_of(route.rule, '|')) {
            if (alternative == "own-ns") {
                continue;
            }
            const std::vector<std::string> terms = parts_of(alternative, '&');
            std::string all;
            for (const std::string& term : terms) {
                all += rules_for(term);
            }
            EXPECT_TRUE(allowed(rig.add_token(fmt::format("enough-{}", ++number), all)))
                << what << " with " << all;
            // Each term counts.
            for (std::size_t left_out = 0; terms.size() > 1 && left_out < terms.size(); ++left_out) {
                std::string some;
                for (std::size_t i = 0; i < terms.size(); ++i) {
                    some += i == left_out ? "" : rules_for(terms[i]);
                }
                EXPECT_FALSE(allowed(rig.add_token(fmt::format("some-{}", ++number), some)))
                    << what << " with " << some;
            }
        }
    }
}

TEST(Access, TokensAreTakenAsTheyAreAndFromHeadersOnly) {
    Tenants t;
    const auto status = [&](std::vector<NameValue> headers, const std::string& target) {
        Request request = ClusterRig::request("GET", target);
        request.headers = std::move(headers);
        Outcome outcome = t.rig.settle(t.rig.handle(request));
        return std::get<Response>(outcome).status;
    };
    std::string upper = t.manager;
    for (char& c : upper) {
        c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    const std::string jobs = "/v1/jobs?namespace=t1";
    EXPECT_EQ(status({{"x-nomad-token", t.manager}}, jobs), 200);
    EXPECT_EQ(status({{"authorization", "Bearer " + t.manager}}, jobs), 200);
    EXPECT_EQ(status({{"x-nomad-token", upper}}, jobs), upper == t.manager ? 200 : 403);
    EXPECT_EQ(status({{"x-nomad-token", t.manager.substr(0, 35)}}, jobs), 403);
    EXPECT_EQ(status({{"x-nomad-token", t.manager + " "}}, jobs), 403);
    EXPECT_EQ(status({{"x-nomad-token", "\xff\xfe"}}, jobs), 403);
    EXPECT_EQ(
        status({{"x-nomad-token", t.manager}, {"x-nomad-token", "another"}}, jobs), 403
    );
    EXPECT_EQ(status({}, jobs + "&token=" + t.manager), 403);
    EXPECT_EQ(status({{"authorization", "Basic " + t.manager}}, jobs), 403);
    const Response refused = t.ask_as("c0000000-0000-0000-0000-000000000009", "GET", jobs);
    EXPECT_EQ(refused.body, "Permission denied");
}

TEST(Access, AnotherTenantsObjectsAreAsIfTheyDidNotExist) {
    Tenants t;
    const std::string token = t.rig.add_token(
        "t1", "namespace \"t1\" {\n policy = \"write\"\n}\nnode {\n policy = \"read\"\n}"
    );
    const std::string missing = "12345678-1234-1234-1234-123456789012";
    for (const char* form : {
             "/v1/allocation/{}",
             "/v1/allocation/{}/services",
             "/v1/evaluation/{}",
             "/v1/evaluation/{}/allocations",
             "/v1/client/fs/ls/{}",
             "/v1/client/fs/logs/{}?task=t&type=stdout",
             "/v1/client/allocation/{}/stats",
         }) {
        const bool eval = std::string_view(form).find("evaluation") != std::string_view::npos;
        const std::string foreign = eval ? t.evals["t2"] : t.allocs["t2"].str();
        const auto path_with = [&](const std::string& id) {
            return fmt::format(fmt::runtime(form), id);
        };
        for (const char* ns : {"", "t1", "t2", "*"}) {
            const auto target = [&](const std::string& id) {
                const std::string path = path_with(id);
                return ns[0] == '\0'
                           ? path
                           : path + (path.find('?') == std::string::npos ? "?" : "&") +
                                 "namespace=" + ns;
            };
            const Response hidden = t.ask_as(token, "GET", target(foreign));
            const Response none = t.ask_as(token, "GET", target(missing));
            EXPECT_EQ(hidden.status, none.status) << target(foreign);
            EXPECT_EQ(hidden.headers, none.headers) << target(foreign);
            std::string body = none.body;
            if (const std::size_t at = body.find(missing); at != std::string::npos) {
                body.replace(at, missing.size(), foreign);
            }
            EXPECT_EQ(hidden.body, body) << target(foreign);
        }
    }
    const Response stop =
        t.ask_as(token, "PUT", "/v1/allocation/" + t.allocs["t2"].str() + "/stop");
    EXPECT_EQ(stop.status, 404);
    EXPECT_EQ(stop.body, "allocation not found");
    EXPECT_EQ(t.ask_as(token, "GET", "/v1/allocation/" + t.allocs["t1"].str()).status, 200);
    EXPECT_EQ(t.ask_as(token, "GET", "/v1/job/web?namespace=t2").status, 403);
    EXPECT_EQ(t.ask_as(token, "PUT", "/v1/jobs", job_json("evil", "t2")).status, 403);
    EXPECT_EQ(t.ask_as(token, "PUT", "/v1/jobs?namespace=t2", job_json("evil", "t1")).status, 403);
    EXPECT_EQ(t.ask_as(token, "DELETE", "/v1/job/web?namespace=t2").status, 403);
    EXPECT_EQ(t.rig.store.snapshot().job("t2", "evil"), nullptr);
}

TEST(Access, ListsOfAllNamespacesShowWhatTheCallerMaySee) {
    Tenants t;
    const std::string token = t.rig.add_token(
        "t1", "namespace \"t1\" {\n policy = \"read\"\n}\nnode {\n policy = \"read\"\n}"
    );
    const auto rows = [&](const std::string& target) {
        const Response response = t.ask_as(token, "GET", target);
        EXPECT_EQ(response.status, 200) << target << response.body;
        EXPECT_EQ(response.body.find("\"t2\""), std::string::npos) << target << response.body;
        const auto value = wire::parse_json(response.body);
        return value && value->as_list() != nullptr ? value->as_list()->size() : 0;
    };
    EXPECT_EQ(rows("/v1/jobs?namespace=*"), 1U);
    EXPECT_EQ(rows("/v1/jobs/statuses?namespace=*"), 1U);
    EXPECT_EQ(rows("/v1/allocations?namespace=*"), 1U);
    EXPECT_EQ(rows("/v1/evaluations?namespace=*"), 1U);
    EXPECT_EQ(rows("/v1/namespaces"), 1U);
    EXPECT_EQ(rows("/v1/node/" + t.node.str() + "/allocations"), 1U);
    EXPECT_EQ(rows("/v1/services?namespace=*"), 0U);
    const Response count = t.ask_as(token, "GET", "/v1/evaluations/count?namespace=*");
    EXPECT_NE(count.body.find("\"Count\":1,"), std::string::npos) << count.body;
    const Response found =
        t.ask_as(token, "PUT", "/v1/search?namespace=*", R"({"Prefix":"","Context":"all"})");
    EXPECT_EQ(found.status, 200);
    EXPECT_NE(found.body.find("\"jobs\":[\"web\"]"), std::string::npos) << found.body;
    EXPECT_NE(found.body.find("\"namespaces\":[\"t1\"]"), std::string::npos) << found.body;
    EXPECT_EQ(found.body.find("node_pools"), std::string::npos) << found.body;
    EXPECT_EQ(found.body.find(t.allocs["t2"].str()), std::string::npos);
    EXPECT_EQ(t.ask_as(token, "GET", "/v1/jobs?namespace=t2").status, 403);
    EXPECT_EQ(t.ask_as(token, "GET", "/v1/namespace/t2").status, 403);
}

TEST(Access, AnExpiredOrDeletedTokenEndsItsStream) {
    for (const bool expires : {true, false}) {
        Tenants t;
        model::ACLToken token;
        token.accessor_id = "a0000000-0000-0000-0000-000000000001";
        token.secret_id = "b0000000-0000-0000-0000-000000000001";
        token.type = "management";
        if (expires) {
            token.expiration_time = t.rig.wall + minutes(1);
        }
        t.rig.apply_body(state::commands::AclTokenUpsert{{token}});
        Request request = ClusterRig::request("GET", "/v1/event/stream?namespace=*");
        request.headers = {{"x-nomad-token", token.secret_id}};
        Outcome outcome = t.rig.handle(request);
        auto* stream = std::get_if<Stream>(&outcome);
        ASSERT_NE(stream, nullptr);
        const StreamStep first = stream->machine->on(Opened{}, t.rig.context());
        EXPECT_FALSE(first.end);
        EXPECT_LE(first.wake, t.rig.now + kRecheck);
        t.rig.now = t.rig.now + seconds(2);
        const StreamStep quiet = stream->machine->on(Tick{}, t.rig.context());
        EXPECT_FALSE(quiet.end);
        EXPECT_EQ(quiet.bytes, "") << "a heartbeat before its time";
        if (expires) {
            t.rig.wall = t.rig.wall + minutes(1);
        } else {
            t.rig.apply_body(state::commands::AclTokenDelete{{token.accessor_id}});
        }
        EXPECT_TRUE(stream->machine->on(Tick{}, t.rig.context()).end);
        EXPECT_EQ(t.ask_as(token.secret_id, "GET", "/v1/jobs").status, 403);
    }
}

TEST(Access, AStreamOfAllNamespacesGivesOnlyReadableOnes) {
    Tenants t;
    const std::string token = t.rig.add_token("t1", "namespace \"t1\" { policy = \"read\" }");
    const auto open = [&](const std::string& target) {
        Request request = ClusterRig::request("GET", target);
        request.headers = {{"x-nomad-token", token}};
        return t.rig.handle(request);
    };
    EXPECT_EQ(std::get<Response>(open("/v1/event/stream?namespace=*")).status, 403);
    EXPECT_EQ(std::get<Response>(open("/v1/event/stream?topic=Node")).status, 403);
    EXPECT_EQ(std::get<Response>(open("/v1/event/stream?topic=Job&namespace=t2")).status, 403);
    Outcome outcome = open("/v1/event/stream?topic=Job&topic=Evaluation&namespace=*");
    auto* stream = std::get_if<Stream>(&outcome);
    ASSERT_NE(stream, nullptr);
    static_cast<void>(stream->machine->on(Opened{}, t.rig.context()));
    for (const std::string ns : {"t1", "t2"}) {
        auto job = *t.rig.store.snapshot().job(ns, "web");
        state::Effects effects;
        effects.index = Index(1000);
        effects.command = state::CommandType::JobRegister;
        state::Change change;
        change.table = state::TableId::Jobs;
        change.namespace_ = ns;
        change.key = "web";
        effects.changes = {change};
        const StreamStep step = stream->machine->on(
            EffectsItem{std::make_shared<const state::Effects>(effects), false}, t.rig.context()
        );
        EXPECT_EQ(step.bytes.empty(), ns == "t2") << step.bytes;
    }
}

TEST(Access, AParkedReadIsCheckedAgainWhenItWakes) {
    Tenants t;
    const std::string token = t.rig.add_token("t1", "namespace \"t1\" { policy = \"read\" }");
    Request request = ClusterRig::request("GET", "/v1/jobs?namespace=t1&index=100000&wait=60s");
    request.headers = {{"x-nomad-token", token}};
    Outcome outcome = t.rig.handle(request);
    auto* parked = std::get_if<Parked>(&outcome);
    ASSERT_NE(parked, nullptr);
    t.rig.apply_body(state::commands::AclPolicyDelete{{"t1"}});
    const Outcome after = parked->resume(t.rig.context(), Woken{.timed_out = true});
    EXPECT_EQ(std::get<Response>(after).status, 403);
}

TEST(Access, ATokenThatDeletesItselfIsAnswered) {
    Tenants t;
    const auto* row = t.rig.store.snapshot().acl_token_by_secret(t.manager);
    const std::string accessor = row->accessor_id;
    EXPECT_EQ(t.ask_as(t.manager, "DELETE", "/v1/acl/token/" + accessor).status, 200);
    EXPECT_EQ(t.ask_as(t.manager, "GET", "/v1/acl/tokens").status, 403);
}

TEST(Access, TheAnonymousPolicyHoldsForThoseWithoutAToken) {
    Tenants t;
    EXPECT_EQ(t.rig.ask("GET", "/v1/jobs?namespace=t1").status, 403);
    model::ACLPolicy policy;
    policy.name = "anonymous";
    policy.rules = "namespace \"t1\" { policy = \"read\" }";
    t.rig.apply_body(state::commands::AclPolicyUpsert{{policy}});
    EXPECT_EQ(t.rig.ask("GET", "/v1/jobs?namespace=t1").status, 200);
    EXPECT_EQ(t.rig.ask("GET", "/v1/jobs?namespace=t2").status, 403);
}

// ---- workload identities

struct Identities : Tenants {
    policy::Claims claims;

    Identities() {
        claims.namespace_ = "t1";
        claims.job_id = "web";
        claims.group = "g";
        claims.task = "t";
        claims.alloc_id = allocs["t1"].str();
        claims.issued_at = rig.wall;
        claims.expires_at = rig.wall + hours(1);
    }
    std::string token() const {
        const policy::RootKey& key = *rig.keyring->keys.begin()->second;
        return policy::sign_identity(claims, key, policy::SigningAlgorithm::EdDSA).value();
    }
};

TEST(Access, AnIdentityWithoutPoliciesHasNoRightsOfItsOwn) {
    Identities t;
    EXPECT_EQ(t.ask_as(t.token(), "GET", "/v1/jobs?namespace=t1").status, 403);
    EXPECT_EQ(t.ask_as(t.token(), "GET", "/v1/acl/tokens").status, 403);
    EXPECT_EQ(t.ask_as(t.token(), "GET", "/v1/services?namespace=t1").status, 200);
    EXPECT_EQ(t.ask_as(t.token(), "GET", "/v1/services?namespace=t2").status, 403);
    EXPECT_EQ(t.ask_as(t.token(), "PUT", "/v1/acl/token/onetime").status, 403);
}

TEST(Access, APolicyBoundToAJobHoldsForThatJobOnly) {
    Identities t;
    model::ACLPolicy policy;
    policy.name = "web";
    policy.rules = "namespace \"t1\" { policy = \"read\" }";
    policy.job_acl = model::JobACL{"t1", "we", "", ""};
    const auto put = [&] { t.rig.apply_body(state::commands::AclPolicyUpsert{{policy}}); };
    put();
    EXPECT_EQ(t.ask_as(t.token(), "GET", "/v1/jobs?namespace=t1").status, 403);
    policy.job_acl->job_id = "web";
    policy.job_acl->task = "other";
    put();
    EXPECT_EQ(t.ask_as(t.token(), "GET", "/v1/jobs?namespace=t1").status, 403);
    policy.job_acl->task = "t";
    put();
    EXPECT_EQ(t.ask_as(t.token(), "GET", "/v1/jobs?namespace=t1").status, 200);
    t.claims.job_id = "web2";
    EXPECT_EQ(t.ask_as(t.token(), "GET", "/v1/jobs?namespace=t1").status, 403);
}

TEST(Access, AStolenIdentityIsRefused) {
    Identities t;
    const std::string services = "/v1/services?namespace=t1";
    const std::string good = t.token();
    ASSERT_EQ(t.ask_as(good, "GET", services).status, 200);
    t.claims.audience = {"vault"};
    EXPECT_EQ(t.ask_as(t.token(), "GET", services).status, 403);
    t.claims.audience = {std::string(policy::kOwnAudience)};
    t.claims.alloc_id = "12345678-1234-1234-1234-123456789012";
    EXPECT_EQ(t.ask_as(t.token(), "GET", services).status, 403);
    // An allocation of another namespace.
    t.claims.alloc_id = t.allocs["t2"].str();
    EXPECT_EQ(t.ask_as(t.token(), "GET", services).status, 403);
    t.rig.report(t.allocs["t1"], model::AllocClientStatus::Complete);
    EXPECT_EQ(t.ask_as(good, "GET", services).status, 403);
}

TEST(Access, AnIdentityMadeForAnAllocationIsAccepted) {
    Identities t;
    const auto snapshot = t.rig.store.snapshot();
    server::IdentityRequest request;
    request.task = "t";
    const policy::RootKey& key = *t.rig.keyring->keys.begin()->second;
    const auto token = server::identity_token(
        *snapshot.alloc(t.allocs["t1"]), request, key, t.rig.wall
    );
    ASSERT_TRUE(token.has_value());
    EXPECT_EQ(t.ask_as(*token, "GET", "/v1/services?namespace=t1").status, 200);
    request.task = "none";
    EXPECT_FALSE(
        server::identity_token(*snapshot.alloc(t.allocs["t1"]), request, key, t.rig.wall).has_value()
    );
    // Meant for someone else.
    request.task = "t";
    request.identity.name = "vault";
    request.identity.audience = {"vault.io"};
    const auto foreign = server::identity_token(
        *snapshot.alloc(t.allocs["t1"]), request, key, t.rig.wall
    );
    EXPECT_EQ(t.ask_as(*foreign, "GET", "/v1/services?namespace=t1").status, 403);
    t.rig.report(t.allocs["t1"], model::AllocClientStatus::Complete);
    const auto later = t.rig.store.snapshot();
    EXPECT_FALSE(
        server::identity_token(*later.alloc(t.allocs["t1"]), request, key, t.rig.wall).has_value()
    );
}

TEST(Access, ANodeReadsItsOwnAllocationsWithItsSecret) {
    Tenants t;
    const std::string secret = t.rig.store.snapshot().node(t.node)->secret_id.str();
    EXPECT_EQ(t.ask_as(secret, "GET", "/v1/allocation/" + t.allocs["t1"].str()).status, 200);
    EXPECT_EQ(t.ask_as(secret, "GET", "/v1/nodes").status, 403);
    EXPECT_EQ(
        t.ask_as(secret, "PUT", "/v1/allocation/" + t.allocs["t1"].str() + "/stop").status, 403
    );
    const Uuid other = t.rig.add_node("n2");
    const std::string foreign = t.rig.store.snapshot().node(other)->secret_id.str();
    EXPECT_EQ(t.ask_as(foreign, "GET", "/v1/allocation/" + t.allocs["t1"].str()).status, 403);
}

}  // namespace
}  // namespace nl::api
