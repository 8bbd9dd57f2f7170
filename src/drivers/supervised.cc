#include "drivers/supervised.h"

#include <utility>

namespace nl::drivers {
namespace {

client::ExitResult result_of(const supervisor::ExitInfo& exit) {
    client::ExitResult result;
    result.exit_code = exit.exit_code;
    result.signal = exit.signal;
    result.finished_at = {exit.at_unix_ns};
    if (exit.unknown) {
        result.error =
            "the exit status is not known: the machine or the supervisor's guardian was gone when "
            "the task ended";
    }
    return result;
}

client::TaskHandle handle_of(
    const std::string& driver, const client::TaskId& id, const supervisor::TaskInfo& info
) {
    supervisor::FieldWriter state;
    info.write(state);
    return {id, driver, 1, state.out()};
}

/// Whether another try may help: a missing command won't appear, a full machine may empty.
bool is_recoverable(ErrorCode code) {
    return code == ErrorCode::Unavailable || code == ErrorCode::ResourceExhausted;
}

}  // namespace

Supervised::Supervised(Options options, EventSink sink)
    : options_(std::move(options)), sink_(std::move(sink)) {
    if (options_.use_cgroups) {
        cgroups_ = find_cgroups(options_.parent_cgroup);
    }
}

Result<std::unique_ptr<Supervised>> Supervised::open(Options options, EventSink sink) {
    std::unique_ptr<Supervised> self(new Supervised(std::move(options), std::move(sink)));
    NL_TRY(
        self->client_,
        supervisor::SupervisorClient::open(
            self->options_.directory,
            [raw = self.get()](const supervisor::ExitInfo& exit) { raw->on_exit(exit); }
        )
    );
    return self;
}

void Supervised::on_exit(const supervisor::ExitInfo& exit) {
    const auto id = client::TaskId::parse(exit.id);
    if (!id) {
        return;
    }
    const client::ExitResult result = result_of(exit);
    {
        const std::scoped_lock lock(mutex_);
        pids_.erase(exit.id);
        if (!exits_.emplace(exit.id, result).second) {
            // The supervisor tells it after every reconnect; the node heard it.
            return;
        }
    }
    sampler_.forget(exit.id);
    sink_({{}, *id, client::Exited{result}});
}

void Supervised::done(const client::TaskId& id, Ticket ticket, Result<void> result) {
    sink_({ticket, id, client::CallDone{std::move(result)}});
}

void Supervised::start(
    const std::string& driver,
    const client::TaskSpec& task,
    supervisor::SpawnSpec spec,
    Ticket ticket
) {
    spec.id = task.id.str();
    add_cgroup(cgroups_, task, spec);
    client_->spawn(
        spec,
        [this, driver, id = task.id, ticket](Result<supervisor::TaskInfo> started) {
            if (!started) {
                const bool recoverable = is_recoverable(started.error().code);
                sink_({ticket, id, client::StartFailed{std::move(started.error()), recoverable}});
                return;
            }
            if (started->running) {
                const std::scoped_lock lock(mutex_);
                pids_[started->id] = static_cast<int>(started->pid);
            }
            sink_(
                {ticket,
                 id,
                 client::Started{
                     handle_of(driver, id, *started), WallTime{started->started_unix_ns}
                 }}
            );
        }
    );
}

void Supervised::recover(const client::TaskHandle& handle, Ticket ticket) {
    client_->list([this, handle, ticket](Result<std::vector<supervisor::TaskInfo>> tasks) {
        if (!tasks) {
            sink_({ticket, handle.id, client::RecoverFailed{tasks.error()}});
            return;
        }
        const std::string id = handle.id.str();
        for (const supervisor::TaskInfo& info : *tasks) {
            if (info.id != id) {
                continue;
            }
            std::optional<client::ExitResult> ended;
            {
                const std::scoped_lock lock(mutex_);
                if (info.running) {
                    pids_[id] = static_cast<int>(info.pid);
                }
                if (const auto at = exits_.find(id); at != exits_.end()) {
                    ended = at->second;
                }
            }
            sink_({ticket, handle.id, client::Recovered{handle}});
            if (ended) {
                sink_({{}, handle.id, client::Exited{*ended}});
            }
            return;
        }
        sink_(
            {ticket,
             handle.id,
             client::RecoverFailed{Error{ErrorCode::NotFound, "the supervisor knows no such task"}}}
        );
    });
}

void Supervised::stop(const client::TaskId& id, int signal, Duration timeout, Ticket ticket) {
    client_->stop(id.str(), signal, timeout, [this, id, ticket](Result<void> result) {
        done(id, ticket, std::move(result));
    });
}

void Supervised::signal(const client::TaskId& id, int signal, Ticket ticket) {
    client_->signal(id.str(), signal, false, [this, id, ticket](Result<void> result) {
        done(id, ticket, std::move(result));
    });
}

void Supervised::destroy(const client::TaskId& id, Ticket ticket) {
    client_->destroy(id.str(), [this, id, ticket](Result<void> result) {
        {
            const std::scoped_lock lock(mutex_);
            exits_.erase(id.str());
            pids_.erase(id.str());
        }
        done(id, ticket, std::move(result));
    });
}

Result<model::TaskResourceUsage> Supervised::usage(const client::TaskId& id) {
    int pid = 0;
    {
        const std::scoped_lock lock(mutex_);
        const auto at = pids_.find(id.str());
        if (at == pids_.end()) {
            return fail(ErrorCode::NotFound, "task \"{}\" is not running", id.task);
        }
        pid = at->second;
    }
    return sampler_.sample(id.str(), pid, procs_file(cgroups_, id), options_.core_mhz);
}

void Supervised::destroy_all_but(std::set<std::string> known) {
    client_->list([this,
                   known = std::move(known)](Result<std::vector<supervisor::TaskInfo>> tasks) {
        if (!tasks) {
            return;
        }
        for (const supervisor::TaskInfo& info : *tasks) {
            if (!known.contains(info.id)) {
                client_->destroy(info.id, {});
            }
        }
    });
}

}  // namespace nl::drivers
