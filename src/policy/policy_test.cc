#include "policy/acl.h"
#include "policy/policy.h"

#include "base/rng.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace nl::policy {
namespace {

std::shared_ptr<const Acl> acl_of(const std::vector<std::string>& texts) {
    std::vector<Policy> policies;
    for (const std::string& text : texts) {
        auto policy = parse_policy(text);
        EXPECT_TRUE(policy.has_value()) << (policy ? "" : policy.error().message);
        policies.push_back(policy ? *policy : Policy{});
    }
    std::vector<const Policy*> pointers;
    for (const Policy& policy : policies) {
        pointers.push_back(&policy);
    }
    return Acl::compile(pointers);
}

std::string refusal(std::string_view rules) {
    const auto policy = parse_policy(rules);
    return policy ? "" : policy.error().message;
}

TEST(Policy, ReadsEveryBlock) {
    const auto policy = parse_policy(R"(
        # Everything there is.
        namespace "dev-*" {
          policy       = "read"
          capabilities = ["alloc-exec", "host-volume-register"]
          variables {
            path "app/*" {
              capabilities = ["read", "write"]
            }
            path "app/secret" { capabilities = ["deny", "read"] }
          }
        }
        node_pool "gpu" { policy = "write" }
        host_volume "data" { policy = "write" }
        agent { policy = "read" }
        node { policy = "write" }
        operator {
          policy       = "read"
          capabilities = ["snapshot-save"]
        }
        quota { policy = "read" }
        plugin { policy = "list" }
    )");
    ASSERT_TRUE(policy.has_value()) << policy.error().message;
    ASSERT_EQ(policy->namespaces.size(), 1U);
    const NamespaceRule& ns = policy->namespaces[0];
    EXPECT_EQ(ns.capabilities[0], "alloc-exec");
    EXPECT_EQ(ns.capabilities[1], "host-volume-register");
    EXPECT_EQ(ns.capabilities.back(), "host-volume-create");
    ASSERT_EQ(ns.paths->size(), 2U);
    EXPECT_EQ((*ns.paths)[0].capabilities, (std::vector<std::string>{"read", "write", "list"}));
    EXPECT_EQ((*ns.paths)[1].capabilities, (std::vector<std::string>{"deny"}));
    EXPECT_EQ(policy->plugin, "list");
    const Value json = rules_json(*policy);
    EXPECT_TRUE(json.as_map()->at("Sentinel").is_null());
    EXPECT_EQ(*json.as_map()->at("Agent").as_map()->at("Policy").as_string(), "read");
}

TEST(Policy, JsonSaysTheSame) {
    const auto acl = acl_of({R"({"namespace": {"default": {"policy": "write",
        "variables": {"path": {"a/*": {"capabilities": ["list"]}}}}},
        "node": {"policy": "read"}})"});
    EXPECT_TRUE(acl->allows("default", Capability::SubmitJob));
    EXPECT_TRUE(acl->allows_variable("default", "a/b", VariableCapability::List));
    EXPECT_FALSE(acl->allows_variable("default", "a/b", VariableCapability::Read));
    EXPECT_TRUE(acl->allows_node(Level::Read));
    EXPECT_FALSE(acl->allows_node(Level::Write));
}

TEST(Policy, WhatIsNotUnderstoodIsRefused) {
    EXPECT_EQ(
        refusal("namespace \"default\" { policy = \"nope\" }"),
        "Invalid namespace policy: &acl.NamespacePolicy{Name:\"default\", Policy:\"nope\", "
        "Capabilities:[]string(nil), Variables:(*acl.VariablesPolicy)(nil)}"
    );
    for (const char* rules : {
             "namespace { policy = \"read\" }",
             "namespace \"a\" \"b\" { policy = \"read\" }",
             "namespace \"a b\" { policy = \"read\" }",
             "namespace \"default\" { capabilities = [\"nope\"] }",
             "namespace \"default\" { capabilities = \"\" }",
             "namespace \"default\" { polcy = \"read\" }",
             "namespace \"default\" {\n policy = \"read\"\n policy = \"write\"\n}",
             "namespace \"default\" {\n variables {\n path \"/a\" { capabilities = [\"read\"] }\n}\n}",
             "namespace \"default\" {\n variables {\n path \"a\" { capabilities = [\"run\"] }\n}\n}",
             "namespace \"default\" {\n variables {\n path \"a\" { }\n}\n}",
             "namespace \"default\" {\n service {\n}\n}",
             "namspace \"default\" { policy = \"read\" }",
             "policy = \"read\"",
             "node_pool \"gpu\" { policy = \"list\" }",
             "node_pool \"gpu\" { capabilities = [\"run\"] }",
             "host_volume \"x y\" { policy = \"read\" }",
             "host_volume \"x\" { capabilities = [\"run\"] }",
             "agent { policy = \"list\" }",
             "agent \"x\" { policy = \"read\" }",
             "agent { }",
             "node {\n policy = \"read\"\n}\nnode {\n policy = \"write\"\n}",
             "plugin { policy = \"write\" }",
             "operator { policy = \"scale\" }",
             "operator { capabilities = [\"nope\"] }",
             "namespace \"default\" { policy = 5 }",
             "namespace \"default\" { policy = \"${file(\"/etc/passwd\")}\" }",
             "namespace \"default\" {",
             "{\"namespace\": {\"default\": {\"policy\": \"nope\"}}}",
             "# nothing but a comment",
         }) {
        EXPECT_NE(refusal(rules), "") << rules;
    }
    EXPECT_EQ(refusal(" \n"), "");
}

TEST(Acl, NamespaceDenyClearsAndTheNearestGlobCounts) {
    const auto acl = acl_of(
        {"namespace \"*\" { policy = \"read\" }\nnamespace \"dev-*\" { policy = \"write\" }",
         "namespace \"dev-secret\" { policy = \"deny\" }\nnamespace \"ops\" { policy = \"write\" }",
         "namespace \"ops\" { policy = \"deny\" }"}
    );
    EXPECT_TRUE(acl->allows("default", Capability::ReadJob));
    EXPECT_FALSE(acl->allows("default", Capability::SubmitJob));
    EXPECT_TRUE(acl->allows("dev-a", Capability::SubmitJob));
    EXPECT_FALSE(acl->allows("dev-secret", Capability::ReadJob));
    EXPECT_FALSE(acl->allows("ops", Capability::ReadJob));
    EXPECT_FALSE(acl->allows_namespace("ops"));
    EXPECT_TRUE(acl->allows("*", Capability::SubmitJob));
    EXPECT_FALSE(acl->allows("*", Capability::AllocNodeExec));
    EXPECT_FALSE(acl->allows("default", bit(Capability::Deny)));
}

TEST(Acl, CoarseRulesMerge) {
    const auto acl = acl_of(
        {"agent {\n policy = \"read\"\n}\nnode {\n policy = \"write\"\n}\nplugin {\n policy = "
         "\"list\"\n}\noperator {\n policy = \"write\"\n}",
         "node {\n policy = \"deny\"\n}\nplugin {\n policy = \"read\"\n}"}
    );
    EXPECT_TRUE(acl->allows_agent(Level::Read));
    EXPECT_FALSE(acl->allows_agent(Level::Write));
    EXPECT_FALSE(acl->allows_node(Level::Read));
    EXPECT_TRUE(acl->allows_plugin(Level::Read));
    EXPECT_TRUE(acl->allows_plugin(Level::List));
    EXPECT_TRUE(acl->allows_operator(Level::Write));
    EXPECT_TRUE(acl->allows_operator(OperatorCapability::KeyringRotate));
    const auto reader = acl_of({"operator { policy = \"read\" }"});
    EXPECT_TRUE(reader->allows_operator(OperatorCapability::KeyringRead));
    EXPECT_FALSE(reader->allows_operator(OperatorCapability::KeyringRotate));
    EXPECT_FALSE(reader->allows_operator(Level::Write));
    EXPECT_TRUE(acl_of({})->is_empty());
    EXPECT_FALSE(reader->is_empty());
}

TEST(Acl, AWorkloadReadsItsOwnVariablesUnlessDenied) {
    const Workload me{"default", "web", "g", "t"};
    const auto none = acl_of({});
    const auto may = [&](const Acl& acl, std::string_view ns, std::string_view path) {
        return acl.allows_variable(ns, path, VariableCapability::Read, &me);
    };
    for (const char* own :
         {"nomad/jobs", "nomad/jobs/web", "nomad/jobs/web/g", "nomad/jobs/web/g/t"}) {
        EXPECT_TRUE(may(*none, "default", own)) << own;
        EXPECT_FALSE(may(*none, "other", own)) << own;
        EXPECT_FALSE(none->allows_variable("default", own, VariableCapability::Write, &me));
        EXPECT_FALSE(none->allows_variable("default", own, VariableCapability::Read));
    }
    for (const char* foreign :
         {"nomad", "nomad/jobs/web2", "nomad/jobs/we", "nomad/jobs/web/g2", "nomad/jobs/web/g/t/x"}) {
        EXPECT_FALSE(may(*none, "default", foreign)) << foreign;
    }
    const auto denied = acl_of({"namespace \"default\" {\n variables {\n path \"nomad/jobs/web\" { "
                                "capabilities = [\"deny\"] }\n}\n}"});
    EXPECT_FALSE(may(*denied, "default", "nomad/jobs/web"));
    EXPECT_TRUE(may(*denied, "default", "nomad/jobs/web/g"));
}

// ---- against a slow model

/// Every way to lay the pattern over the text, tried.
bool slow_glob(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) {
        return text.empty();
    }
    if (pattern[0] == '*') {
        return slow_glob(pattern.substr(1), text) ||
               (!text.empty() && slow_glob(pattern, text.substr(1)));
    }
    return !text.empty() && text[0] == pattern[0] && slow_glob(pattern.substr(1), text.substr(1));
}

/// Names of at most four letters of "ab-" and stars.
std::string random_name(Rng& rng, bool stars) {
    std::string out;
    const std::uint64_t size = 1 + rng.below(4);
    while (out.size() < size) {
        const std::string_view letters = stars ? "ab-*" : "ab-";
        out += letters[static_cast<std::size_t>(rng.below(letters.size()))];
    }
    return out;
}

TEST(AclProperty, DecisionsAreThoseOfASlowModel) {
    const std::vector<std::string> words{"read-job", "submit-job", "alloc-exec", "deny"};
    const std::vector<std::string> path_words{"list", "read", "write", "destroy", "deny"};
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        Rng rng(seed);
        // What the rules say: by pattern, the union of the words.
        std::map<std::string, std::set<std::string>> namespaces;
        std::map<std::string, std::set<std::string>> paths;
        std::vector<std::string> texts;
        for (std::uint64_t p = 1 + rng.below(3); p > 0; --p) {
            std::string text;
            for (std::uint64_t b = 1 + rng.below(4); b > 0; --b) {
                const std::string ns = random_name(rng, true);
                const std::string word = words[rng.below(words.size())];
                const std::string path = random_name(rng, true);
                const std::string path_word = path_words[rng.below(path_words.size())];
                namespaces[ns].insert(word);
                paths[ns + '\0' + path].insert(path_word);
                if (path_word == "read") {
                    paths[ns + '\0' + path].insert("list");
                }
                text += fmt::format(
                    "namespace \"{}\" {{\n capabilities = [\"{}\"]\n variables {{\n path \"{}\" {{ "
                    "capabilities = [\"{}\"] }}\n }}\n}}\n",
                    ns,
                    word,
                    path,
                    path_word
                );
            }
            texts.push_back(std::move(text));
        }
        const auto acl = acl_of(texts);
        const auto model = [](const auto& rules, const std::string& name, const std::string& word) {
            const std::set<std::string>* nearest = nullptr;
            std::size_t literal = 0;
            for (const auto& [pattern, said] : rules) {
                if (pattern == name) {
                    nearest = &said;
                    break;
                }
                std::size_t letters = 0;
                for (const char c : pattern) {
                    letters += c == '*' ? 0 : 1;
                }
                const bool glob = letters != pattern.size();
                if (glob && slow_glob(pattern, name) && (nearest == nullptr || letters >= literal)) {
                    nearest = &said;
                    literal = letters;
                }
            }
            return nearest != nullptr && !nearest->contains("deny") && nearest->contains(word);
        };
        for (int i = 0; i < 20; ++i) {
            const std::string ns = random_name(rng, false);
            const std::string path = random_name(rng, false);
            for (const std::string& word : {words[0], words[1], words[2]}) {
                ASSERT_EQ(
                    acl->allows(ns, *parse_capability(word)), model(namespaces, ns, word)
                ) << "seed " << seed << " namespace " << ns << " " << word;
            }
            for (std::size_t w = 0; w < 4; ++w) {
                ASSERT_EQ(
                    acl->allows_variable(ns, path, *parse_variable_capability(path_words[w])),
                    model(paths, ns + '\0' + path, path_words[w])
                ) << "seed " << seed << " " << ns << " " << path << " " << path_words[w];
            }
        }
    }
}

}  // namespace
}  // namespace nl::policy
