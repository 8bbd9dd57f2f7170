// The rules of blocking reads and pages against a simple model, over random histories: a reader
// that follows a list learns every state it could have missed and none twice; a walk over pages
// meets everything that was there all along exactly once, whatever comes and goes meanwhile.

#include "api/testing/cluster_rig.h"
#include "base/rng.h"
#include "wire/value_json.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace nl::api {
namespace {

using testing::ClusterRig;

constexpr int kHistories = 40;
constexpr int kSteps = 120;

std::set<std::string> names_of(const std::string& json, std::string_view key) {
    std::set<std::string> out;
    const auto value = wire::parse_json(json);
    EXPECT_TRUE(value.has_value());
    for (const Value& item : *value->as_list()) {
        const auto inserted = out.insert(*item.as_map()->find(key)->second.as_string());
        EXPECT_TRUE(inserted.second) << "twice on one page: " << *inserted.first;
    }
    return out;
}

/// Follows a list by blocking reads.
struct Follower {
    std::string path;
    std::string key;
    std::uint64_t index = 0;
    std::set<std::string> seen;
    /// A read that waits.
    std::optional<Parked> parked;

    /// Takes an answer; false if it waits.
    bool take(Outcome outcome) {
        if (auto* waits = std::get_if<Parked>(&outcome)) {
            parked = std::move(*waits);
            return false;
        }
        parked.reset();
        const Response& response = std::get<Response>(outcome);
        EXPECT_EQ(response.status, 200);
        const std::uint64_t at = std::stoull(testing::header_of(response, "X-Nomad-Index"));
        EXPECT_GT(at, index) << "a blocking read answered without news";
        index = at;
        seen = names_of(response.body, key);
        return true;
    }
    void ask(ClusterRig& rig) {
        take(rig.handle(ClusterRig::request("GET", fmt::format("{}?index={}&wait=60s", path, index))));
    }
};

TEST(Reading, followers_miss_nothing_and_wait_while_there_is_nothing) {
    for (int history = 0; history < kHistories; ++history) {
        SCOPED_TRACE(fmt::format("history {}", history));
        Rng rng(static_cast<std::uint64_t>(history) + 1);
        ClusterRig rig;
        std::set<std::string> spaces{"default"};
        std::set<std::string> pools = names_of(rig.ask("GET", "/v1/node/pools").body, "Name");
        Follower of_spaces{"/v1/namespaces", "Name"};
        Follower of_pools{"/v1/node/pools", "Name"};
        for (int step = 0; step < kSteps; ++step) {
            const std::string name = fmt::format("n{}", rng.between(0, 9));
            const bool space = rng.between(0, 1) == 0;
            std::set<std::string>& model = space ? spaces : pools;
            const std::string path = space ? "/v1/namespace/" : "/v1/node/pool/";
            if (!model.contains(name)) {
                const Outcome made = rig.settle(rig.handle(ClusterRig::request(
                    "PUT", path + name, fmt::format("{{\"Name\":\"{}\"}}", name)
                )));
                ASSERT_EQ(std::get<Response>(made).status, 200);
                model.insert(name);
            } else {
                const Outcome gone =
                    rig.settle(rig.handle(ClusterRig::request("DELETE", path + name)));
                ASSERT_EQ(std::get<Response>(gone).status, 200);
                model.erase(name);
            }
            for (Follower* follower : {&of_spaces, &of_pools}) {
                const bool changed = (follower == &of_spaces) == space;
                if (follower->parked) {
                    // Woken for whatever reason, it answers only if its own list changed.
                    const Parked parked = std::move(*follower->parked);
                    const bool answered =
                        follower->take(parked.resume(rig.context(), Woken{.timed_out = false}));
                    EXPECT_EQ(answered, changed);
                } else if (rng.between(0, 2) == 0) {
                    follower->ask(rig);
                }
                if (!follower->parked && rng.between(0, 1) == 0) {
                    // Nothing happened since: asking again waits.
                    const std::uint64_t before = follower->index;
                    follower->ask(rig);
                    if (before == follower->index) {
                        EXPECT_TRUE(follower->parked.has_value());
                    }
                }
                if (follower->parked) {
                    EXPECT_EQ(follower->seen, follower == &of_spaces ? spaces : pools);
                    const auto* change = std::get_if<WaitChange>(&follower->parked->on);
                    ASSERT_NE(change, nullptr);
                    EXPECT_FALSE(change->keys.empty());
                }
            }
        }
        for (Follower* follower : {&of_spaces, &of_pools}) {
            while (!follower->parked) {
                follower->ask(rig);
            }
            EXPECT_EQ(follower->seen, follower == &of_spaces ? spaces : pools);
            // The time ends a wait with what is there, under the same index.
            const Outcome late = follower->parked->resume(rig.context(), Woken{.timed_out = true});
            const Response& response = std::get<Response>(late);
            EXPECT_EQ(
                std::stoull(testing::header_of(response, "X-Nomad-Index")), follower->index
            );
            EXPECT_EQ(names_of(response.body, follower->key), follower->seen);
        }
    }
}

/// A list that grows and shrinks while it is walked.
struct Walked {
    std::string path;
    std::string key;
    std::function<std::string(int)> add;
    std::function<void(const std::string&)> remove;
};

void walk_while_it_changes(ClusterRig& rig, const Walked& list, Rng& rng, bool reverse) {
    std::set<std::string> present;
    int next = 0;
    for (int i = 0; i < 20; ++i) {
        present.insert(list.add(next++));
    }
    std::set<std::string> all_along = present;
    std::set<std::string> ever = present;
    std::vector<std::string> met;
    std::string token;
    const std::int64_t per_page = rng.between(1, 6);
    for (int page = 0; page < 200; ++page) {
        std::string target = fmt::format("{}?per_page={}", list.path, per_page);
        target += reverse ? "&reverse=true" : "";
        target += token.empty() ? "" : "&next_token=" + token;
        const Response response = rig.ask("GET", target);
        ASSERT_EQ(response.status, 200) << response.body;
        const std::set<std::string> found = names_of(response.body, list.key);
        EXPECT_LE(found.size(), static_cast<std::size_t>(per_page));
        met.insert(met.end(), found.begin(), found.end());
        token = testing::header_of(response, "X-Nomad-NextToken");
        if (token.empty()) {
            break;
        }
        EXPECT_EQ(found.size(), static_cast<std::size_t>(per_page));
        if (rng.between(0, 1) == 0) {
            const std::string made = list.add(next++);
            present.insert(made);
            ever.insert(made);
        }
        if (list.remove && !present.empty() && rng.between(0, 1) == 0) {
            auto at = present.begin();
            std::advance(at, rng.between(0, static_cast<std::int64_t>(present.size()) - 1));
            list.remove(*at);
            all_along.erase(*at);
            present.erase(at);
        }
    }
    ASSERT_TRUE(token.empty()) << "the walk did not end";
    std::map<std::string, int> times;
    for (const std::string& name : met) {
        ++times[name];
        EXPECT_TRUE(ever.contains(name)) << "never there: " << name;
    }
    for (const auto& [name, count] : times) {
        EXPECT_EQ(count, 1) << "met twice: " << name;
    }
    for (const std::string& name : all_along) {
        EXPECT_TRUE(times.contains(name)) << "lost: " << name;
    }
}

TEST(Reading, walks_lose_nothing_and_meet_nothing_twice) {
    for (int history = 0; history < kHistories; ++history) {
        SCOPED_TRACE(fmt::format("history {}", history));
        Rng rng(static_cast<std::uint64_t>(history) + 100);
        const bool reverse = history % 2 == 1;
        ClusterRig rig;
        const auto shuffled = [&rng](int n) {
            return fmt::format("x{:03}-{}", rng.between(0, 999), n);
        };
        const Walked pools{
            "/v1/node/pools",
            "Name",
            [&](int n) {
                const std::string name = shuffled(n);
                rig.settle(rig.handle(ClusterRig::request(
                    "PUT", "/v1/node/pools", fmt::format("{{\"Name\":\"{}\"}}", name)
                )));
                return name;
            },
            [&](const std::string& name) {
                rig.settle(rig.handle(ClusterRig::request("DELETE", "/v1/node/pool/" + name)));
            }
        };
        {
            // The two that are always there are met too.
            const std::set<std::string> builtin =
                names_of(rig.ask("GET", "/v1/node/pools").body, "Name");
            Walked named = pools;
            int given = 0;
            named.add = [&, add = pools.add](int n) {
                if (given < static_cast<int>(builtin.size())) {
                    return *std::next(builtin.begin(), given++);
                }
                return add(n);
            };
            named.remove = [&, remove = pools.remove](const std::string& name) {
                if (!builtin.contains(name)) {
                    remove(name);
                }
            };
            walk_while_it_changes(rig, named, rng, reverse);
        }
        const Uuid node = rig.add_node("n");
        rig.register_job(
            R"({"Job":{"ID":"j","Name":"j","Type":"batch","Datacenters":["dc1"],"TaskGroups":[{"Name":"g","Count":1,"Tasks":[{"Name":"t","Driver":"raw_exec","Config":{"command":"true"},"Resources":{"CPU":10,"MemoryMB":10}}]}]}})"
        );
        // By creation: what is new comes last, so a walk forward meets it and one backward doesn't.
        const Walked allocs{
            "/v1/allocations", "ID", [&](int) { return rig.place("j", node).str(); }, {}
        };
        walk_while_it_changes(rig, allocs, rng, reverse);
    }
}

}  // namespace
}  // namespace nl::api
