// What a node says of its services and asks of the state for its tasks: the part of NodeStreams
// that templates, service discovery and migration stand on.

#include "base/check.h"
#include "server/node_streams.h"
#include "state/commands/records.h"

#include <algorithm>

namespace nl::server {
namespace {

/// What a task may read of variables without a policy (Nomad, "workload identity"): its job's, its
/// group's and its own paths, and nomad/jobs itself.
bool is_own_path(const state::AllocView& alloc, const WatchRequest& request) {
    const std::string job = alloc.job().parent_id.empty() ? alloc.job_id() : alloc.job().parent_id;
    const std::string group = alloc.group().name;
    const std::string& path = request.name;
    const auto at_or_below = [&](const std::string& root) {
        return path == root || (request.kind == WatchKind::VariableList && path == root + "/");
    };
    for (const std::string& id : {alloc.job_id(), job}) {
        const std::string base = "nomad/jobs/" + id;
        if (at_or_below(base) || at_or_below(base + "/" + group) ||
            at_or_below(base + "/" + group + "/" + request.task)) {
            return true;
        }
        if (request.kind == WatchKind::VariableList && path.starts_with(base + "/")) {
            return true;
        }
    }
    return at_or_below("nomad/jobs");
}

bool same_instance(
    const model::ServiceRegistration& known, const model::ServiceRegistration& said
) {
    model::ServiceRegistration copy = said;
    copy.create_index = known.create_index;
    copy.modify_index = known.modify_index;
    return copy == known;
}

}  // namespace

void NodeStreams::more(SessionId id, NodeMore frame, const Now& at) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) {
        return;
    }
    if (found->second.stage == Stage::New) {
        refuse(id, {ErrorCode::FailedPrecondition, "a node session begins with a hello"});
    } else if (frame.services) {
        services(id, std::move(*frame.services), at);
    } else if (frame.watch) {
        watch(id, std::move(*frame.watch), at);
    }
}

void NodeStreams::services(SessionId id, ServiceBatch batch, const Now& at) {
    const Uuid node = sessions_.at(id).node;
    state::commands::ServiceUpsert upsert;
    state::commands::ServiceDelete remove;
    std::map<std::string, const model::ServiceRegistration*> known;
    for (const model::ServiceRegistration& row : at.snapshot.services_of_node(node)) {
        known.emplace(row.id, &row);
    }
    std::set<std::string> kept;
    for (model::ServiceRegistration& row : batch.upsert) {
        const auto alloc = at.snapshot.alloc(row.alloc_id);
        // A node speaks for its own allocations only, in their namespace and for their job.
        if (!alloc || alloc->node_id() != node || row.node_id != node ||
            row.namespace_ != alloc->namespace_() || row.job_id != alloc->job_id()) {
            continue;
        }
        kept.insert(row.id);
        const auto before = known.find(row.id);
        if (before == known.end() || !same_instance(*before->second, row)) {
            upsert.rows.push_back(std::move(row));
        }
    }
    if (batch.full) {
        for (const auto& [service, row] : known) {
            if (!kept.contains(service)) {
                remove.names.push_back({row->namespace_, service});
            }
        }
    }
    for (const std::string& gone : batch.remove) {
        if (const auto row = known.find(gone); row != known.end()) {
            remove.names.push_back({row->second->namespace_, gone});
        }
    }
    std::size_t commands = 0;
    const auto propose = [&](const auto& command) {
        const std::uint64_t tag = next_tag_++;
        service_commands_[tag] = {id, batch.sequence};
        out_.commands.emplace_back(tag, state::make_command(command, at.wall, at.rng.next()));
        ++commands;
    };
    if (!remove.names.empty()) {
        propose(remove);
    }
    if (!upsert.rows.empty()) {
        propose(upsert);
    }
    if (commands == 0) {
        ServerMore ack;
        ack.service_ack = ServiceAck{.sequence = batch.sequence};
        send_more(id, std::move(ack));
        return;
    }
    service_batches_[{id, batch.sequence}] = commands;
}

void NodeStreams::service_written(std::uint64_t tag, const Result<Index>& result) {
    const auto [id, sequence] = service_commands_.at(tag);
    service_commands_.erase(tag);
    const auto left = service_batches_.find({id, sequence});
    if (left == service_batches_.end()) {
        return;
    }
    if (!result) {
        service_batches_.erase(left);
        if (sessions_.contains(id)) {
            // What became of it is unknown: the node comes again and says all of it.
            refuse(id, result.error());
        }
        return;
    }
    if (--left->second > 0) {
        return;
    }
    service_batches_.erase(left);
    if (sessions_.contains(id)) {
        ServerMore ack;
        ack.service_ack = ServiceAck{.sequence = sequence};
        send_more(id, std::move(ack));
    }
}

// --- watches

NodeStreams::WatchName NodeStreams::name_of(const WatchRequest& request) {
    switch (request.kind) {
        case WatchKind::Variable:
        case WatchKind::Service:
        case WatchKind::Alloc:
            return {request.kind, request.namespace_, request.name};
        case WatchKind::VariableList:
        case WatchKind::Services:
            return {request.kind, request.namespace_, ""};
    }
    return {};
}

void NodeStreams::watch(SessionId id, WatchRequest request, const Now& at) {
    Session& session = sessions_.at(id);
    const std::uint64_t number = request.watch;
    if (const auto old = session.watches.find(number); old != session.watches.end()) {
        const auto group = watchers_.find(name_of(old->second.request));
        if (group != watchers_.end()) {
            group->second.erase({id, number});
            if (group->second.empty()) {
                watchers_.erase(group);
            }
        }
        session.watches.erase(old);
    }
    if (request.stop) {
        return;
    }
    if (session.watches.size() >= kMaxWatches) {
        ServerMore answer;
        answer.watch.ensure().watch = number;
        answer.watch->error = static_cast<std::uint64_t>(ErrorCode::ResourceExhausted) + 1;
        answer.watch->message = fmt::format("a node may watch {} things at once", kMaxWatches);
        send_more(id, std::move(answer));
        return;
    }
    watchers_[name_of(request)].insert({id, number});
    Watch& fresh = session.watches[number];
    fresh.request = std::move(request);
    tell(id, fresh, at);
}

void NodeStreams::tell(SessionId id, Watch& watch, const Now& at) {
    const auto found = look(sessions_.at(id).node, watch.request, at);
    WatchUpdate update;
    update.watch = watch.request.watch;
    if (found) {
        update.data = *found;
    } else {
        update.error = static_cast<std::uint64_t>(found.error().code) + 1;
        update.message = found.error().message;
    }
    Bytes said = encode(update);
    if (watch.told == said) {
        return;
    }
    watch.told = std::move(said);
    ServerMore answer;
    answer.watch = std::move(update);
    send_more(id, std::move(answer));
}

Result<void> NodeStreams::check_variable(
    const Uuid& node, const WatchRequest& request, const Now& at
) const {
    const auto alloc = at.snapshot.alloc(request.alloc_id);
    if (!alloc || alloc->node_id() != node || alloc->client_terminal()) {
        return fail(ErrorCode::PermissionDenied, "Permission denied");
    }
    const bool own = request.namespace_ == alloc->namespace_() && is_own_path(*alloc, request);
    if (own || (options_.may_read && options_.may_read(at.snapshot, request, *alloc))) {
        return {};
    }
    return fail(ErrorCode::PermissionDenied, "Permission denied");
}

Result<Bytes> NodeStreams::look(const Uuid& node, const WatchRequest& request, const Now& at)
    const {
    switch (request.kind) {
        case WatchKind::Variable: {
            NL_TRY_VOID(check_variable(node, request, at));
            VariableAnswer answer;
            const state::VariableRow* row = at.snapshot.variable(request.namespace_, request.name);
            if (row != nullptr) {
                if (!options_.open_variable) {
                    return fail(ErrorCode::Unimplemented, "this server keeps no variables");
                }
                NL_TRY(answer.variable, options_.open_variable(at.snapshot, *row));
                answer.found = true;
            }
            return encode(answer);
        }
        case WatchKind::VariableList: {
            NL_TRY_VOID(check_variable(node, request, at));
            VariableListAnswer answer;
            for (const state::VariableRow& row :
                 at.snapshot.variables(request.namespace_, request.name)) {
                answer.variables.push_back(row.meta);
            }
            return encode(answer);
        }
        case WatchKind::Service: {
            ServiceAnswer answer;
            for (const auto& row : at.snapshot.services_named(request.namespace_, request.name)) {
                answer.services.push_back(row);
            }
            return encode(answer);
        }
        case WatchKind::Services: {
            std::map<std::string, std::set<std::string>> tags;
            for (const auto& row : at.snapshot.services(request.namespace_)) {
                tags[row.service_name].insert(row.tags.begin(), row.tags.end());
            }
            ServiceNamesAnswer answer;
            for (const auto& [name, all] : tags) {
                answer.services.push_back({name, {all.begin(), all.end()}});
            }
            return encode(answer);
        }
        case WatchKind::Alloc: {
            AllocAnswer answer;
            const auto own = at.snapshot.alloc(request.alloc_id);
            if (!own || own->node_id() != node) {
                return fail(ErrorCode::PermissionDenied, "Permission denied");
            }
            NL_TRY(const Uuid id, Uuid::parse(request.name));
            if (const auto other = at.snapshot.alloc(id)) {
                if (other->namespace_() == own->namespace_() && other->job_id() == own->job_id()) {
                    answer.found = true;
                    answer.terminal = other->client_terminal();
                    answer.node_id = other->node_id();
                }
            }
            return encode(answer);
        }
    }
    return fail(ErrorCode::InvalidArgument, "unknown kind of watch");
}

void NodeStreams::watch_changes(const std::vector<state::Effects>& effects, const Now& at) {
    if (watchers_.empty()) {
        return;
    }
    std::set<std::pair<SessionId, std::uint64_t>> due;
    const auto add = [&](const WatchName& name) {
        if (const auto group = watchers_.find(name); group != watchers_.end()) {
            due.insert(group->second.begin(), group->second.end());
        }
    };
    const auto add_kind = [&](WatchKind kind, const std::string& ns) {
        for (auto group = watchers_.lower_bound({kind, ns, ""});
             group != watchers_.end() && std::get<0>(group->first) == kind &&
             std::get<1>(group->first) == ns;
             ++group) {
            due.insert(group->second.begin(), group->second.end());
        }
    };
    for (const state::Effects& e : effects) {
        for (const state::Change& change : e.changes) {
            if (change.table == state::TableId::Variables) {
                add({WatchKind::Variable, change.namespace_, change.key});
                add({WatchKind::VariableList, change.namespace_, ""});
            } else if (change.table == state::TableId::Services) {
                // The key is the instance's id: which name it had is not told.
                add_kind(WatchKind::Service, change.namespace_);
                add({WatchKind::Services, change.namespace_, ""});
            }
        }
        for (const state::AllocChange& change : e.allocs) {
            if (change.deleted || change.is_terminal) {
                const auto alloc = at.snapshot.alloc(change.id);
                add({WatchKind::Alloc, alloc ? alloc->namespace_() : "", change.id.str()});
            }
        }
    }
    for (const auto& [id, number] : due) {
        const auto session = sessions_.find(id);
        if (session == sessions_.end() || session->second.stage != Stage::Live) {
            continue;
        }
        if (const auto watch = session->second.watches.find(number);
            watch != session->second.watches.end()) {
            tell(id, watch->second, at);
        }
    }
}

void NodeStreams::forget_watches(SessionId id, const Session& session) {
    for (const auto& [number, watch] : session.watches) {
        const auto group = watchers_.find(name_of(watch.request));
        if (group != watchers_.end()) {
            group->second.erase({id, number});
            if (group->second.empty()) {
                watchers_.erase(group);
            }
        }
    }
    std::erase_if(service_batches_, [&](const auto& entry) { return entry.first.first == id; });
}

}  // namespace nl::server
