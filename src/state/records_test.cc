// Commands about whole rows: create_index stays, modify_index moves, refusals change nothing.

#include "state/commands/records.h"

#include "state/testing/world.h"

#include <gtest/gtest.h>

namespace nl::state {
namespace {

using namespace testing;

TEST(Records, NamespacesKeepTheirCreation) {
    World w;
    model::Namespace ns;
    ns.name = "prod";
    ASSERT_TRUE(w.apply(commands::NamespaceUpsert{{ns}}).result);
    ns.description = "changed";
    const auto effects = w.apply(commands::NamespaceUpsert{{ns}});
    ASSERT_EQ(effects.changes.size(), 1U);
    EXPECT_EQ(effects.changes[0].key, "prod");
    EXPECT_EQ(effects.changes[0].kind, Change::Kind::Update);
    const Snapshot s = w.store.snapshot();
    EXPECT_EQ(s.namespace_("prod")->create_index, Index(1));
    EXPECT_EQ(s.namespace_("prod")->modify_index, Index(2));
    EXPECT_EQ(s.namespaces("pr").count(), 1U);
    EXPECT_EQ(s.namespaces().count(), 2U);
}

TEST(Records, NamespaceWithLivingJobsStays) {
    World w;
    model::Namespace ns;
    ns.name = "prod";
    w.apply(commands::NamespaceUpsert{{ns}});
    auto j = job("web");
    j.namespace_ = "prod";
    w.apply(commands::JobRegister{std::make_shared<const model::Job>(j), {}, {}, false, {}});
    EXPECT_FALSE(w.apply(commands::NamespaceDelete{{"prod"}}).result);
    EXPECT_FALSE(w.apply(commands::NamespaceDelete{{"default"}}).result);
    EXPECT_FALSE(w.apply(commands::NamespaceDelete{{"nowhere"}}).result);
    w.apply(commands::JobDeregister{"prod", "web", true, false, {}});
    EXPECT_TRUE(w.apply(commands::NamespaceDelete{{"prod"}}).result);
    EXPECT_EQ(w.store.snapshot().namespace_("prod"), nullptr);
}

TEST(Records, NodePoolsOfNodes) {
    World w;
    auto n = node(1);
    n.node_pool = "gpu";
    w.apply(commands::NodeRegister{n, {}});
    EXPECT_NE(w.store.snapshot().node_pool("gpu"), nullptr);
    EXPECT_FALSE(w.apply(commands::NodePoolDelete{{"gpu"}}).result);
    w.apply(commands::NodeDeregister{{n.id}, {}});
    EXPECT_TRUE(w.apply(commands::NodePoolDelete{{"gpu"}}).result);
    EXPECT_FALSE(w.apply(commands::NodePoolDelete{{"all"}}).result);
}

TEST(Records, ServicesGoWithTheirAllocation) {
    World w;
    w.add_node(1);
    w.add_job(job("web", 2));
    const auto ids = w.place("web", 1, 2);
    commands::ServiceUpsert up;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        model::ServiceRegistration service;
        service.id = "_nomad-task-" + std::to_string(i);
        service.service_name = "api";
        service.namespace_ = "default";
        service.job_id = "web";
        service.alloc_id = ids[i];
        service.node_id = id_of(1001);
        up.rows.push_back(service);
    }
    w.apply(up);
    EXPECT_EQ(w.store.snapshot().services_named("default", "api").count(), 2U);
    EXPECT_EQ(w.store.snapshot().services_of_alloc(ids[0]).count(), 1U);
    w.report(ids[0], model::AllocClientStatus::Failed);
    EXPECT_EQ(w.store.snapshot().services_named("default", "api").count(), 1U);
    // Registering one for an allocation that has ended is passed over.
    w.apply(up);
    EXPECT_EQ(w.store.snapshot().services_of_job("default", "web").count(), 1U);
    w.apply(commands::NodeStatusUpdate{{{id_of(1001), model::NodeStatus::Down, "", {}}}, {}});
    EXPECT_EQ(w.store.snapshot().services().count(), 0U);
}

TEST(Records, TokensByAccessorAndSecret) {
    World w;
    model::ACLToken token;
    token.accessor_id = "a1";
    token.secret_id = "s1";
    token.type = "management";
    ASSERT_TRUE(w.apply(commands::AclBootstrap{token, {}}).result);
    EXPECT_EQ(w.store.snapshot().acl_token_by_secret("s1")->accessor_id, "a1");
    EXPECT_EQ(w.store.snapshot().cluster_meta().acl_bootstrap_index, Index(1));
    token.accessor_id = "a2";
    token.secret_id = "s2";
    const auto again = w.apply(commands::AclBootstrap{token, {}});
    ASSERT_FALSE(again.result);
    EXPECT_EQ(again.result.error().message, "ACL bootstrap already done (reset index: 1)");
    EXPECT_TRUE(w.apply(commands::AclBootstrap{token, Index(1)}).result);
    // A changed secret moves the index.
    token.secret_id = "s3";
    w.apply(commands::AclTokenUpsert{{token}});
    EXPECT_EQ(w.store.snapshot().acl_token_by_secret("s2"), nullptr);
    EXPECT_EQ(w.store.snapshot().acl_token_by_secret("s3")->accessor_id, "a2");
    w.apply(commands::AclTokenDelete{{"a2"}});
    EXPECT_EQ(w.store.snapshot().acl_tokens().count(), 1U);
}

TEST(Records, OneActiveRootKey) {
    World w;
    RootKeyRow key;
    key.meta.key_id = "k1";
    key.meta.state = "active";
    w.apply(commands::RootKeyUpsert{{key}});
    key.meta.key_id = "k2";
    w.apply(commands::RootKeyUpsert{{key}});
    EXPECT_EQ(w.store.snapshot().root_key("k1")->meta.state, "inactive");
    EXPECT_FALSE(w.apply(commands::RootKeyDelete{{"k2"}}).result);
    commands::VariableApply set;
    set.variable.meta.namespace_ = "default";
    set.variable.meta.path = "p";
    set.variable.key_id = "k1";
    w.apply(set);
    EXPECT_FALSE(w.apply(commands::RootKeyDelete{{"k1"}}).result);
    set.variable.key_id = "k2";
    w.apply(set);
    EXPECT_TRUE(w.apply(commands::RootKeyDelete{{"k1"}}).result);
}

TEST(Records, ScalingPoliciesFollowTheJob) {
    World w;
    auto j = job("web");
    j.task_groups[0].scaling.ensure().max = 10;
    w.add_job(j);
    const Snapshot first = w.store.snapshot();
    ASSERT_EQ(first.scaling_policies_of_job("default", "web").count(), 1U);
    const model::ScalingPolicy& policy = *first.scaling_policies_of_job("default", "web").begin();
    EXPECT_EQ(policy.target.at("Group"), "web");
    j.task_groups[0].scaling->max = 20;
    w.add_job(j);
    EXPECT_EQ(w.store.snapshot().scaling_policy(policy.id)->max, 20);
    w.apply(commands::JobDeregister{"default", "web", false, false, {}});
    EXPECT_EQ(w.store.snapshot().scaling_policies().count(), 0U);
}

TEST(Records, ChildrenAreCountedAtTheirParent) {
    World w;
    auto parent = job("cron", 1, "batch");
    parent.periodic.ensure().enabled = true;
    w.add_job(parent);
    EXPECT_EQ(w.store.snapshot().job("default", "cron")->status, "running");
    auto child = job("cron/periodic-1", 1, "batch");
    child.parent_id = "cron";
    w.add_job(child);
    EXPECT_EQ(w.store.snapshot().job_summary("default", "cron")->children->pending, 1);
    EXPECT_EQ(w.store.snapshot().jobs_of_parent("default", "cron").count(), 1U);
    w.add_node(1);
    const Uuid alloc = w.place("cron/periodic-1", 1, 1)[0];
    EXPECT_EQ(w.store.snapshot().job_summary("default", "cron")->children->running, 1);
    w.report(alloc, model::AllocClientStatus::Complete);
    model::Evaluation done = eval(2, "cron/periodic-1");
    done.status = model::EvalStatus::Complete;
    w.apply(commands::EvalUpsert{{done}});
    const Snapshot s = w.store.snapshot();
    EXPECT_EQ(s.job_summary("default", "cron")->children->dead, 1);
    EXPECT_EQ(s.job_summary("default", "cron")->children->running, 0);
    EXPECT_EQ(s.job_summary("default", "cron")->children->pending, 0);
}

TEST(Records, HelloWithoutNewsChangesNothing) {
    World w;
    w.add_node(1);
    const auto again = w.add_node(1);
    EXPECT_TRUE(again.changes.empty());
    EXPECT_EQ(w.store.snapshot().node(id_of(1001))->modify_index, Index(1));
}

TEST(Records, ClassIgnoresWhatIsUnique) {
    World w;
    w.add_node(1);
    w.add_node(2);
    auto other = node(3);
    other.attributes["kernel.name"] = "darwin";
    w.apply(commands::NodeRegister{other, {}});
    const Snapshot s = w.store.snapshot();
    EXPECT_EQ(s.node(id_of(1001))->computed_class, s.node(id_of(1002))->computed_class);
    EXPECT_NE(s.node(id_of(1001))->computed_class, s.node(id_of(1003))->computed_class);
    const Slot slot = s.node_slot(id_of(1003));
    const NodeChunk& chunk = s.columns().chunk_of(slot);
    EXPECT_EQ(s.word_text(chunk.datacenter[Columns::place_of(slot)]), "dc1");
    EXPECT_EQ(s.word("dc9"), kNoSlot);
}

}  // namespace
}  // namespace nl::state
