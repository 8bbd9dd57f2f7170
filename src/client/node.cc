#include "client/node.h"

#include "client/signals.h"
#include "client/task_env.h"
#include "model/node_answers.h"

#include <algorithm>
#include <utility>

namespace nl::client {
namespace {

/// A heartbeat every third of the time to live: two may be lost.
constexpr std::int64_t kHeartbeatsPerTtl = 3;

bool is_volume_call(server::CallMethod method) {
    return method == server::kCallVolumeCreate || method == server::kCallVolumeRegister ||
           method == server::kCallVolumeDelete;
}

server::AllocStatus finished_without_us(const Uuid& id, WallTime at) {
    server::AllocStatus status;
    status.alloc_id = id;
    status.client_status = model::AllocClientStatus::Complete;
    status.client_description = "The allocation was stopped before it reached the node";
    status.modify_time = at.unix_ns;
    return status;
}

}  // namespace

Node::Node(NodeOptions options, Rng rng, RestoredState restored)
    : options_(std::move(options)),
      settings_(options_.runner),
      rng_(std::move(rng)),
      restored_(std::move(restored)),
      node_(options_.node) {
    NL_ASSERT(!node_.id.is_nil());
    settings_.region = options_.region;
    settings_.alloc_root = options_.alloc_root;
    settings_.parent_cgroup = options_.parent_cgroup;
    settings_.max_kill_timeout = options_.max_kill_timeout;
    lay_meta();
}

RunnerContext Node::context(Effects& out) {
    return {settings_, node_, tickets_, services_, watches_, rng_, now_, out};
}

AllocRunner* Node::runner(const Uuid& id) {
    const auto at = runners_.find(id);
    return at == runners_.end() ? nullptr : at->second.get();
}

Effects Node::start(Now now) {
    now_ = now;
    last_heard_ = now.instant;
    disk_due_ = now.instant + options_.gc_interval;
    Effects out;
    for (const std::string& driver : options_.drivers) {
        fingerprints_due_.insert(driver);
        out.drivers.push_back({tickets_.issue(Uuid{}), driver, {}, CallFingerprint{}});
    }
    for (const auto& [id, restored] : restored_.allocs) {
        if (group_of(*restored.alloc) == nullptr) {
            continue;
        }
        auto& slot = runners_[id];
        slot = std::make_unique<AllocRunner>(restored.alloc, &restored);
        waiting_.insert(id);
    }
    restored_ = {};
    begin_waiting(out);
    say_hello(out);
    return out;
}

void Node::begin_waiting(Effects& out) {
    // A runner looks at the node's drivers when it starts a task, so none starts before they are
    // known.
    if (!fingerprints_due_.empty()) {
        return;
    }
    for (const Uuid& id : std::exchange(waiting_, {})) {
        if (AllocRunner* r = runner(id)) {
            begin(*r, out);
        }
    }
}

void Node::begin(AllocRunner& r, Effects& out) {
    // One that ran before goes on, whatever else runs.
    if (!r.restored() && held_back(r.alloc())) {
        held_.insert(r.alloc().id);
        report(r);
        return;
    }
    RunnerContext c = context(out);
    r.start(c);
    after(r, out);
}

/// An allocation begins when the one it replaces here, and those it preempted, have ended.
bool Node::held_back(const model::Allocation& alloc) {
    const auto lives = [this](const Uuid& id) {
        const AllocRunner* r = id.is_nil() ? nullptr : runner(id);
        return r != nullptr && !r->terminal();
    };
    return lives(alloc.previous_allocation) ||
           std::ranges::any_of(alloc.preempted_allocations, lives);
}

void Node::release_held(Effects& out) {
    std::vector<Uuid> ready;
    for (const Uuid& id : held_) {
        const AllocRunner* r = runner(id);
        if (r == nullptr || !held_back(r->alloc())) {
            ready.push_back(id);
        }
    }
    for (const Uuid& id : ready) {
        held_.erase(id);
        if (AllocRunner* r = runner(id)) {
            RunnerContext c = context(out);
            r->start(c);
            after(*r, out);
        }
    }
}

Effects Node::on(Event event, Now now) {
    now_ = now;
    Effects out;
    std::visit([&](auto& e) { handle(e, out); }, event);
    if (session_ && registered_) {
        if (auto batch = batcher_.take()) {
            server::NodeToServer frame;
            frame.statuses = std::move(*batch);
            out.send.push_back(std::move(frame));
        }
        if (auto batch = services_.take()) {
            server::NodeMore frame;
            frame.services = std::move(*batch);
            out.send_more.push_back(std::move(frame));
        }
        for (server::WatchRequest& request : watches_.take()) {
            server::NodeMore frame;
            frame.watch = std::move(request);
            out.send_more.push_back(std::move(frame));
        }
    }
    return out;
}

Instant Node::next_deadline() const {
    Instant at = session_ ? heartbeat_due_ : Instant::max();
    at = std::min({at, disk_due_, disconnect_deadline()});
    for (const auto& [id, r] : runners_) {
        at = std::min(at, r->deadline());
    }
    return at;
}

// ---- session

void Node::say_hello(Effects& out) {
    if (!session_ || !facts_known_ || !fingerprints_due_.empty()) {
        return;
    }
    server::NodeToServer frame;
    frame.hello.ensure().protocol = server::kNodeProtocolVersion;
    frame.hello->node = node_;
    frame.hello->node.status = model::NodeStatus::Ready;
    out.send.push_back(std::move(frame));
}

void Node::lay_meta() {
    node_.meta = options_.node.meta;
    for (const auto& [key, value] : options_.dynamic_meta) {
        if (value) {
            node_.meta.insert_or_assign(key, *value);
        } else {
            node_.meta.erase(key);
        }
    }
}

void Node::serve_meta(const server::Call& call, Effects& out) {
    const server::CallRequest& request = call.request;
    if (request.method == server::CallMethod::SetMetadata) {
        auto& dynamic = options_.dynamic_meta;
        if (dynamic.size() + request.set.size() + request.unset.size() > kDynamicMetaMax) {
            end_call(
                call.call,
                fail(
                    ErrorCode::InvalidArgument,
                    "a node's dynamic metadata may have {} keys at most",
                    kDynamicMetaMax
                ),
                out
            );
            return;
        }
        for (const auto& [key, value] : request.set) {
            dynamic.insert_or_assign(key, value);
        }
        for (const std::string& key : request.unset) {
            // A configured key is hidden, one that was only set is gone.
            if (options_.node.meta.contains(key)) {
                dynamic.insert_or_assign(key, std::nullopt);
            } else {
                dynamic.erase(key);
            }
        }
        out.state.push_back(
            {std::string(kMetaKey), encode(MetaRecord{dynamic}), env::Durability::Power}
        );
        lay_meta();
        say_hello(out);
    }
    model::NodeMetaResponse answer;
    answer.meta = node_.meta;
    answer.dynamic = options_.dynamic_meta;
    answer.static_ = options_.node.meta;
    server::NodeToServer frame;
    frame.call_data = server::CallData{.call = call.call, .data = encode(answer)};
    out.send.push_back(std::move(frame));
    end_call(call.call, {}, out);
}

void Node::handle(const SessionUp&, Effects& out) {
    session_ = true;
    registered_ = false;
    full_set_.reset();
    say_hello(out);
}

void Node::handle(const SessionDown&, Effects&) {
    session_ = false;
    registered_ = false;
    full_set_.reset();
    open_calls_.clear();
    batcher_.session_lost();
    services_.session_lost();
    watches_.session_lost();
    heartbeat_due_ = Instant::max();
}

void Node::handle(FromServer& event, Effects& out) {
    if (!session_) {
        return;
    }
    last_heard_ = now_.instant;
    server::ServerToNode& frame = event.frame;
    if (frame.registered) {
        if (!registered_) {
            services_.session_started();
            watches_.session_started();
        }
        registered_ = true;
        heartbeat_ttl_ = frame.registered->heartbeat_ttl.ns > 0 ? frame.registered->heartbeat_ttl
                                                                : heartbeat_ttl_;
        heartbeat_due_ = now_.instant + heartbeat_ttl_ / kHeartbeatsPerTtl;
    }
    if (frame.heartbeat_ack && frame.heartbeat_ack->heartbeat_ttl.ns > 0) {
        heartbeat_ttl_ = frame.heartbeat_ack->heartbeat_ttl;
    }
    if (frame.allocs) {
        apply_changes(*frame.allocs, out);
    }
    if (frame.status_ack) {
        batcher_.acknowledged(frame.status_ack->sequence);
    }
    if (frame.call) {
        serve(*frame.call, out);
    }
    if (frame.credit && open_calls_.contains(frame.credit->call)) {
        out.credits.push_back(*frame.credit);
    }
    if (frame.cancel && open_calls_.erase(frame.cancel->call) > 0) {
        out.cancelled.push_back(*frame.cancel);
    }
    if (frame.input && open_calls_.contains(frame.input->call)) {
        out.inputs.push_back(std::move(*frame.input));
    }
}

void Node::handle(const FromServerMore& event, Effects& out) {
    if (!session_) {
        return;
    }
    last_heard_ = now_.instant;
    const server::ServerMore& frame = event.frame;
    if (frame.service_ack) {
        services_.acknowledged(frame.service_ack->sequence);
        // Who waited for its services to be taken back may end now.
        std::vector<Uuid> ending;
        for (const auto& [id, r] : runners_) {
            if (r->stopping() && !r->terminal()) {
                ending.push_back(id);
            }
        }
        for (const Uuid& id : ending) {
            RunnerContext c = context(out);
            AllocRunner& r = *runners_.at(id);
            r.tick(c);
            after(r, out);
        }
    }
    if (frame.watch) {
        if (const server::WatchRequest* request = watches_.find(frame.watch->watch)) {
            if (AllocRunner* r = runner(request->alloc_id)) {
                RunnerContext c = context(out);
                r->on_watch(c, request->task, *frame.watch);
                after(*r, out);
            }
        }
    }
}

void Node::handle(const FactsChanged& event, Effects& out) {
    // What the machine says lies under what the configuration says.
    const model::Node& facts = event.facts;
    node_.attributes = facts.attributes;
    for (const auto& [key, value] : options_.node.attributes) {
        node_.attributes.insert_or_assign(key, value);
    }
    node_.node_resources = facts.node_resources;
    node_.links = facts.links;
    if (!options_.node.reserved_resources) {
        node_.reserved_resources = facts.reserved_resources;
    }
    if (node_.name.empty()) {
        node_.name = facts.name;
    }
    merge_driver_attributes();
    facts_known_ = true;
    say_hello(out);
}

void Node::merge_driver_attributes() {
    for (const auto& [name, info] : node_.drivers) {
        for (const auto& [key, value] : info.attributes) {
            // That a driver is there is "true" in its own attributes and "1" in the node's.
            const bool there = key == "driver." + name && value == "true";
            node_.attributes.insert_or_assign(key, there ? "1" : value);
        }
    }
}

void Node::handle(const Leave&, Effects&) {
    session_ = false;
}

// ---- allocations

void Node::apply_changes(server::AllocChanges& changes, Effects& out) {
    if (changes.full) {
        full_set_.emplace();
    }
    for (server::PushedAlloc& pushed : changes.changed) {
        if (full_set_) {
            full_set_->insert(pushed.alloc.id);
        }
        if (pushed.job > 0 && pushed.job <= changes.jobs.size()) {
            pushed.alloc.job = changes.jobs[pushed.job - 1];
        }
        upsert(std::make_shared<const model::Allocation>(std::move(pushed.alloc)), out);
    }
    for (const Uuid& id : changes.removed) {
        forget(id, out);
    }
    if (full_set_ && changes.end) {
        std::vector<Uuid> gone;
        for (const auto& [id, r] : runners_) {
            if (!full_set_->contains(id)) {
                gone.push_back(id);
            }
        }
        full_set_.reset();
        for (const Uuid& id : gone) {
            forget(id, out);
        }
        drop_orphans(out);
        // The servers may have missed what changed while there was no session.
        for (const auto& [id, r] : runners_) {
            report(*r);
        }
    }
}

void Node::upsert(std::shared_ptr<const model::Allocation> alloc, Effects& out) {
    RunnerContext c = context(out);
    if (AllocRunner* known = runner(alloc->id)) {
        known->update(c, std::move(alloc));
        after(*known, out);
        return;
    }
    if (model::is_terminal(alloc->client_status)) {
        return;
    }
    if (alloc->desired_status != model::AllocDesiredStatus::Run || group_of(*alloc) == nullptr ||
        runners_.size() >= kMaxAllocs) {
        server::AllocStatus status = finished_without_us(alloc->id, now_.wall);
        if (alloc->desired_status == model::AllocDesiredStatus::Run) {
            status.client_status = model::AllocClientStatus::Failed;
            status.client_description =
                group_of(*alloc) == nullptr
                    ? fmt::format("the job has no group \"{}\"", alloc->task_group)
                    : fmt::format("the node holds its limit of {} allocations", kMaxAllocs);
        }
        batcher_.add(std::move(status));
        return;
    }
    const Uuid id = alloc->id;
    auto& slot = runners_[id];
    slot = std::make_unique<AllocRunner>(std::move(alloc), nullptr);
    if (!fingerprints_due_.empty()) {
        waiting_.insert(id);
        return;
    }
    begin(*slot, out);
}

void Node::drop_orphans(Effects& out) {
    std::set<std::string>& keep = out.keep_only.emplace();
    for (const auto& [id, r] : runners_) {
        r->add_instances(keep);
        out.keep_allocs.insert(id);
    }
}

Instant Node::disconnect_deadline() const {
    if (session_ && registered_) {
        return Instant::max();
    }
    Instant at = Instant::max();
    for (const auto& [id, r] : runners_) {
        const auto after = r->stop_after_disconnect();
        if (after && after->ns > 0 && !r->stopping() && !r->terminal()) {
            at = std::min(at, last_heard_ + *after);
        }
    }
    return at;
}

void Node::stop_disconnected(Effects& out) {
    if (now_.instant < disconnect_deadline()) {
        return;
    }
    std::vector<Uuid> due;
    for (const auto& [id, r] : runners_) {
        const auto after = r->stop_after_disconnect();
        if (after && after->ns > 0 && !r->stopping() && !r->terminal() &&
            last_heard_ + *after <= now_.instant) {
            due.push_back(id);
        }
    }
    for (const Uuid& id : due) {
        RunnerContext c = context(out);
        AllocRunner& r = *runners_.at(id);
        r.stop(c);
        after(r, out);
    }
}

void Node::forget(const Uuid& id, Effects& out) {
    if (AllocRunner* r = runner(id)) {
        RunnerContext c = context(out);
        r->destroy(c);
        after(*r, out);
    }
}

void Node::report(const AllocRunner& r) {
    server::AllocStatus status = r.status();
    status.modify_time = now_.wall.unix_ns;
    batcher_.add(std::move(status));
}

void Node::after(AllocRunner& r, Effects& out) {
    RunnerContext c = context(out);
    const Uuid id = r.alloc().id;
    if (r.flush(c)) {
        report(r);
    }
    if (r.terminal()) {
        services_.remove_all(id);
    }
    if (r.to_be_removed()) {
        remove_now(id, out);
        release_held(out);
        return;
    }
    if (r.terminal() && std::ranges::find(finished_, id) == finished_.end()) {
        finished_.push_back(id);
        collect_garbage(options_.gc_max_allocs, out);
        release_held(out);
    }
}

void Node::collect_garbage(std::size_t keep, Effects& out) {
    while (finished_.size() > keep) {
        remove_now(finished_.front(), out);
    }
}

void Node::remove_now(const Uuid& id, Effects& out) {
    const auto at = runners_.find(id);
    if (at == runners_.end()) {
        return;
    }
    for (const model::Task& task : group_of(at->second->alloc())->tasks) {
        out.state.push_back(erase_task(id, task.name));
    }
    out.state.push_back(erase_alloc(id));
    out.files.push_back({tickets_.issue(Uuid{}), env::RemoveAllocDir{id}});
    std::erase(finished_, id);
    services_.remove_all(id);
    waiting_.erase(id);
    held_.erase(id);
    runners_.erase(at);
}

// ---- answers

void Node::handle(const DriverEvent& event, Effects& out) {
    if (event.ticket.value != 0) {
        tickets_.take(event.ticket);
    }
    if (const auto* print = std::get_if<Fingerprinted>(&event.what)) {
        model::DriverInfo info = print->info;
        info.update_time = now_.wall;
        const bool known = node_.drivers.contains(print->driver);
        node_.drivers.insert_or_assign(print->driver, std::move(info));
        merge_driver_attributes();
        const bool awaited = fingerprints_due_.erase(print->driver) > 0;
        if (fingerprints_due_.empty() && (awaited || known)) {
            begin_waiting(out);
            say_hello(out);
        }
        return;
    }
    if (AllocRunner* r = runner(event.id.alloc)) {
        RunnerContext c = context(out);
        r->on_driver(c, event);
        after(*r, out);
    }
}

void Node::handle(const FilesDone& event, Effects& out) {
    const auto owner = tickets_.take(event.done.ticket);
    if (AllocRunner* r = owner ? runner(*owner) : nullptr) {
        RunnerContext c = context(out);
        r->on_files(c, event.done);
        after(*r, out);
    }
}

void Node::handle(const CheckDone& event, Effects& out) {
    if (AllocRunner* r = runner(event.alloc)) {
        RunnerContext c = context(out);
        r->on_check(c, event);
        after(*r, out);
    }
}

void Node::handle(const NetworkDone& event, Effects& out) {
    tickets_.take(event.ticket);
    if (AllocRunner* r = runner(event.alloc)) {
        RunnerContext c = context(out);
        r->on_network(c, event);
        after(*r, out);
    }
}

void Node::handle(const ScriptDone& event, Effects& out) {
    if (AllocRunner* r = runner(event.id.alloc)) {
        RunnerContext c = context(out);
        r->on_script(c, event);
        after(*r, out);
    }
}

void Node::handle(const VolumesChanged& event, Effects& out) {
    node_.host_volumes = event.volumes;
    for (const auto& [key, value] : event.attributes) {
        options_.node.attributes.insert_or_assign(key, value);
        node_.attributes.insert_or_assign(key, value);
    }
    say_hello(out);
}

void Node::handle(const DiskRoom& event, Effects& out) {
    const bool full = event.used > options_.gc_disk_usage_threshold ||
                      event.inodes_used > options_.gc_inode_usage_threshold;
    if (!full || finished_.empty()) {
        return;
    }
    collect_garbage(
        finished_.size() - std::min(finished_.size(), options_.gc_parallel_destroys), out
    );
    // What they left may be enough; if not, the next reading says so.
    disk_due_ = now_.instant + seconds(1);
}

void Node::handle(const Tick&, Effects& out) {
    if (session_ && now_.instant >= heartbeat_due_) {
        heartbeat_due_ = now_.instant + heartbeat_ttl_ / kHeartbeatsPerTtl;
        server::NodeToServer frame;
        frame.heartbeat.ensure().sequence = ++heartbeat_sequence_;
        out.send.push_back(std::move(frame));
    }
    if (now_.instant >= disk_due_) {
        disk_due_ = now_.instant + options_.gc_interval;
        out.look_at_disk = true;
    }
    stop_disconnected(out);
    std::vector<Uuid> due;
    for (const auto& [id, r] : runners_) {
        if (r->deadline() <= now_.instant) {
            due.push_back(id);
        }
    }
    for (const Uuid& id : due) {
        RunnerContext c = context(out);
        AllocRunner& r = *runners_.at(id);
        r.tick(c);
        after(r, out);
    }
}

// ---- calls

void Node::end_call(std::uint64_t call, const Result<void>& result, Effects& out) {
    server::NodeToServer frame;
    frame.call_end.ensure().call = call;
    if (!result) {
        frame.call_end->error = static_cast<std::uint64_t>(result.error().code) + 1;
        frame.call_end->message = result.error().message;
    }
    out.send.push_back(std::move(frame));
}

void Node::answer(std::uint64_t call, Bytes item, Effects& out) {
    server::NodeToServer frame;
    frame.call_data.ensure().call = call;
    frame.call_data->data = std::move(item);
    out.send.push_back(std::move(frame));
}

Result<void> Node::check_call(const server::CallRequest& request) {
    using enum server::CallMethod;
    if (is_volume_call(request.method)) {
        return {};
    }
    switch (request.method) {
        case HostStats:
        case Metadata:
        case SetMetadata:
        case AgentLog:
        case AgentHost:
        case Profile:
            return {};
        case Gc:
            if (request.alloc_id.is_nil()) {
                return {};
            }
            break;
        case FsList:
        case FsStat:
        case FsReadAt:
        case FsStream:
        case FsCat:
        case Logs:
        case AllocStats:
        case Restart:
        case Signal:
        case Exec:
        case Checks:
            break;
    }
    const AllocRunner* r = runner(request.alloc_id);
    if (r == nullptr) {
        return fail(ErrorCode::NotFound, "Unknown allocation \"{}\"", request.alloc_id);
    }
    if (request.method == Logs || request.method == Exec) {
        if (!r->has_task(request.task)) {
            return fail(ErrorCode::InvalidArgument, "unknown task name \"{}\"", request.task);
        }
    }
    if (request.method == Logs) {
        if (!r->task_started(request.task)) {
            return fail(
                ErrorCode::NotFound, "task \"{}\" not started yet. No logs available", request.task
            );
        }
    }
    return {};
}

void Node::serve(const server::Call& call, Effects& out) {
    const server::CallRequest& request = call.request;
    if (auto ok = check_call(request); !ok) {
        end_call(call.call, ok, out);
        return;
    }
    if (request.method == server::CallMethod::Checks) {
        for (const model::CheckQueryResult& result : runner(request.alloc_id)->check_results()) {
            answer(call.call, encode(result), out);
        }
        end_call(call.call, {}, out);
        return;
    }
    RunnerContext c = context(out);
    using enum server::CallMethod;
    switch (request.method) {
        case Metadata:
        case SetMetadata:
            serve_meta(call, out);
            return;
        case Restart: {
            AllocRunner& r = *runner(request.alloc_id);
            end_call(call.call, r.restart(c, request.task, request.all_tasks), out);
            after(r, out);
            return;
        }
        case Signal: {
            AllocRunner& r = *runner(request.alloc_id);
            const auto number = parse_signal(request.signal.empty() ? "SIGTERM" : request.signal);
            end_call(
                call.call,
                number ? r.signal(c, request.task, *number) : std::unexpected(number.error()),
                out
            );
            after(r, out);
            return;
        }
        case Gc:
            if (request.alloc_id.is_nil()) {
                collect_garbage(0, out);
            } else if (runner(request.alloc_id)->terminal()) {
                remove_now(request.alloc_id, out);
            } else {
                end_call(
                    call.call,
                    fail(
                        ErrorCode::FailedPrecondition,
                        "allocation \"{}\" is still running",
                        request.alloc_id
                    ),
                    out
                );
                return;
            }
            end_call(call.call, {}, out);
            return;
        case FsList:
        case FsStat:
        case FsReadAt:
        case FsStream:
        case Logs:
        case AllocStats:
        case HostStats:
        case FsCat:
        case Exec:
        case Checks:
        case AgentLog:
        case AgentHost:
        case Profile:
            break;
    }
    if (open_calls_.size() >= server::kMaxOpenCalls) {
        end_call(
            call.call,
            fail(
                ErrorCode::ResourceExhausted,
                "the node serves {} requests already",
                server::kMaxOpenCalls
            ),
            out
        );
        return;
    }
    open_calls_.insert(call.call);
    out.reads.push_back(
        {call.call,
         request,
         request.method == AllocStats ? running_tasks(request.alloc_id) : std::vector<TaskId>{}}
    );
}

void Node::handle(const ReadEnded& event, Effects& out) {
    if (open_calls_.erase(event.call) > 0) {
        end_call(event.call, event.result, out);
    }
}

// ---- views

std::vector<AllocSummary> Node::allocs() const {
    std::vector<AllocSummary> out;
    for (const auto& [id, r] : runners_) {
        const server::AllocStatus status = r->status();
        AllocSummary one{
            .id = id,
            .job_id = r->alloc().job_id,
            .client_status = status.client_status,
            .stopping = r->stopping(),
            .terminal = r->terminal()
        };
        for (const auto& [name, state] : status.task_states) {
            ++one.tasks[state.state];
        }
        if (const auto& given = r->alloc().allocated_resources) {
            for (const auto& [name, task] : given->tasks) {
                one.cpu += task.cpu ? task.cpu->cpu_shares : 0;
                if (task.memory) {
                    one.memory_mb += task.memory->memory_mb;
                    one.memory_max_mb += std::max(task.memory->memory_mb, task.memory->memory_max_mb);
                }
            }
            one.disk_mb = given->shared ? given->shared->disk_mb : 0;
        }
        out.push_back(std::move(one));
    }
    return out;
}

std::optional<server::AllocStatus> Node::alloc_status(const Uuid& id) const {
    const auto at = runners_.find(id);
    return at == runners_.end() ? std::nullopt : std::optional(at->second->status());
}

std::vector<TaskId> Node::running_tasks(const Uuid& alloc) const {
    const auto at = runners_.find(alloc);
    return at == runners_.end() ? std::vector<TaskId>{} : at->second->running_tasks();
}

}  // namespace nl::client
