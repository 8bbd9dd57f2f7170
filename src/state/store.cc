#include "state/store.h"

#include "base/check.h"
#include "state/applying.h"
#include "state/commands/alloc.h"
#include "state/commands/apply_records.h"
#include "state/commands/deployment.h"
#include "state/commands/eval.h"
#include "state/commands/job.h"
#include "state/commands/node.h"
#include "state/commands/plan_results.h"
#include "state/commands/settings.h"
#include "state/load.h"
#include "state/version.h"

#include <utility>

namespace nl::state {

Core::~Core() {
    visit_tables(tables, [](TableId, auto& table) { table.destroy(); });
    tables.columns.destroy();
    tables.words.destroy();
}

Store::Store() : core_(new Core()) {
    seed_defaults(*core_);
}

Store::Store(Core* core) : core_(core) {}

Store::Store(Store&& other) noexcept
    : core_(std::exchange(other.core_, nullptr)), current_(std::move(other.current_)) {}

Store& Store::operator=(Store&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(current_, other.current_);
    return *this;
}

Store::~Store() {
    current_ = Snapshot();
    if (core_ != nullptr && core_->users.release()) {
        delete core_;
    }
}

Index Store::index() const {
    return core_->tables.index;
}

void Store::skip(Index index) {
    NL_ASSERT(index > core_->tables.index);
    current_ = Snapshot();
    core_->tables.index = index;
}

void Store::replaced(Index index) {
    skip(index);
    core_->tables.changed.fill(index);
}

namespace {

template <class Body>
Result<void> carry_out(Applying& a, const Command& command) {
    auto body = decode<Body>(command.body.bytes);
    if (!body) {
        return std::unexpected(body.error());
    }
    return commands::apply(a, *body);
}

template <class... Bodies>
Result<void> dispatch(Applying& a, const Command& command) {
    Result<void> result = fail(
        ErrorCode::Unimplemented,
        "command {} is unknown to this version",
        static_cast<std::uint32_t>(command.type)
    );
    static_cast<void>(
        ((Bodies::kType == command.type ? (result = carry_out<Bodies>(a, command), true) : false) ||
         ...)
    );
    return result;
}

}  // namespace

Effects Store::apply(Index index, const Command& command) {
    using namespace commands;
    NL_ASSERT(index > core_->tables.index);
    current_ = Snapshot();
    core_->tables.index = index;
    Effects effects;
    effects.index = index;
    effects.command = command.type;
    effects.time = command.time;
    Applying a(core_->heap, core_->tables, effects, command.seed);
    effects.result = dispatch<
        Noop,
        JobRegister,
        JobBatchRegister,
        JobDeregister,
        JobsReap,
        JobStability,
        JobVersionTagSet,
        JobScale,
        PeriodicLaunchUpsert,
        NodeRegister,
        NodeDeregister,
        NodeStatusUpdate,
        NodeDrain,
        NodeEligibilityUpdate,
        NodeEventsAdd,
        EvalUpsert,
        EvalDelete,
        PlanResults,
        AllocClientUpdate,
        AllocDesiredTransition,
        DeploymentStatusSet,
        DeploymentPromote,
        DeploymentAllocHealth,
        DeploymentDelete,
        SchedulerConfigSet,
        AutopilotConfigSet,
        ClusterMetaSet,
        ServerUpsert,
        ServerDelete,
        NamespaceUpsert,
        NamespaceDelete,
        NodePoolUpsert,
        NodePoolDelete,
        VariableApply,
        RootKeyUpsert,
        RootKeyDelete,
        ServiceUpsert,
        ServiceDelete,
        AclTokenUpsert,
        AclTokenDelete,
        AclBootstrap,
        AclPolicyUpsert,
        AclPolicyDelete,
        AclRoleUpsert,
        AclRoleDelete,
        AclAuthMethodUpsert,
        AclAuthMethodDelete,
        AclBindingRuleUpsert,
        AclBindingRuleDelete,
        OneTimeTokenUpsert,
        OneTimeTokenDelete,
        HostVolumeUpsert,
        HostVolumeDelete,
        HostVolumeClaimUpsert,
        HostVolumeClaimDelete,
        CsiVolumeUpsert,
        CsiVolumeDelete,
        CsiPluginUpsert,
        CsiPluginDelete>(a, command);
    a.finish();
    return effects;
}

Snapshot Store::snapshot() {
    if (!current_) {
        collect();
        auto version = std::make_unique<Version>();
        version->core = core_;
        version->tables = core_->tables;
        version->epoch = core_->heap.publish();
        current_ = Snapshot(version.get());
        core_->versions.push_back(std::move(version));
    }
    return current_;
}

void Store::collect() {
    auto& versions = core_->versions;
    std::erase_if(versions, [](const auto& version) { return version->handles.idle(); });
    const std::uint64_t oldest = versions.empty() ? core_->heap.epoch() : versions.front()->epoch;
    core_->heap.collect(oldest);
}

std::size_t Store::live_versions() const {
    return core_->versions.size();
}

}  // namespace nl::state
