// Routes that read jobs. Source: Nomad HTTP API, 1.
#include "api/body.h"
#include "api/json_text.h"
#include "api/listing.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "jobspec/diff.h"
#include "wire/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <set>

namespace nl::api {
namespace {

using policy::bit;
using state::TableId;

constexpr std::string_view kJobNotFound = "job not found";

Outcome list(const Request& request, const PathValues&, const Context& context) {
    const auto with_meta = flag(request, "meta");
    if (!with_meta) {
        return error_response(with_meta.error());
    }
    return read(
        request,
        context,
        [ns = namespace_of(request),
         meta = *with_meta](const Context& c, const ReadOptions& given) -> Result<Look> {
            ReadOptions options = given;
            options.reverse = false;
            std::vector<const model::Job*> jobs;
            const bool all = ns == kAllNamespaces;
            // A page of one namespace is in the order of its tokens as the table gives it: what lies
            // before and after the page is not gathered.
            const std::string& start = options.next_token;
            const bool has_start = !all && start.starts_with(ns + ".");
            const std::string_view first =
                has_start ? std::string_view(start).substr(ns.size() + 1) : std::string_view();
            const std::size_t enough = all || !options.filter.empty() || options.per_page == 0
                                           ? SIZE_MAX
                                           : static_cast<std::size_t>(options.per_page) + 1;
            for (const auto& row : all ? c.state.jobs() : c.state.jobs(ns, options.prefix)) {
                if (!row.job->id.starts_with(options.prefix) ||
                    (has_start && row.job->id < first) ||
                    !visible(c, ns, row.job->namespace_, bit(policy::Capability::ListJobs))) {
                    continue;
                }
                jobs.push_back(row.job.get());
                if (jobs.size() == enough) {
                    break;
                }
            }
            if (all) {
                // Tokens are compared as text, in which "a-b.x" stands before "a.x".
                std::ranges::sort(jobs, [](const model::Job* a, const model::Job* b) {
                    return a->namespace_ + "." + a->id < b->namespace_ + "." + b->id;
                });
            }
            NL_TRY(Look look, list_jobs(c, jobs, options, meta));
            look.index = c.state.table_index({TableId::Jobs, TableId::JobSummaries});
            look.keys = {watch_list(TableId::Jobs, ns), watch_list(TableId::JobSummaries, ns)};
            return look;
        }
    );
}

Outcome get(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            const auto job = c.state.job(ns, id);
            if (job == nullptr) {
                return missing(c, TableId::Jobs, std::string(kJobNotFound));
            }
            return Look{
                json_response(wire::to_json(*job)),
                job->modify_index,
                {state::watch_row(TableId::Jobs, ns, id)},
                {}
            };
        }
    );
}

Outcome allocations(const Request& request, const PathValues& path, const Context& context) {
    const auto all = flag(request, "all");
    const auto stubs = alloc_stub_options(request);
    if (!all || !stubs) {
        return error_response(all ? stubs.error() : all.error());
    }
    return read(
        request,
        context,
        [ns = namespace_of(request), id = path[0], every = *all, options = *stubs](
            const Context& c, const ReadOptions& given
        ) -> Result<Look> {
            const auto job = c.state.job(ns, id);
            auto allocs = views(c.state.allocs_of_job(ns, id));
            if (!every && job != nullptr) {
                // A job purged and registered again under its name is another one.
                std::erase_if(allocs, [&](const state::AllocView& alloc) {
                    return alloc.job().create_index != job->create_index;
                });
            }
            ReadOptions whole = given;
            whole.prefix.clear();
            NL_TRY(Look look, list_allocs(std::move(allocs), whole, options));
            look.index = c.state.table_index(TableId::Allocs);
            look.keys = {state::watch_of_job(TableId::Allocs, ns, id)};
            return look;
        }
    );
}

Outcome evaluations(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0]](const Context& c, const ReadOptions& given) -> Result<Look> {
            std::vector<const model::Evaluation*> rows;
            for (const auto& eval : c.state.evals_of_job(ns, id)) {
                rows.push_back(&eval);
            }
            ReadOptions whole = given;
            whole.prefix.clear();
            NL_TRY(Look look, list_by_creation(std::move(rows), whole));
            look.index = c.state.table_index(TableId::Evals);
            look.keys = {state::watch_of_job(TableId::Evals, ns, id)};
            return look;
        }
    );
}

Outcome deployments(const Request& request, const PathValues& path, const Context& context) {
    const auto all = flag(request, "all");
    if (!all) {
        return error_response(all.error());
    }
    return read(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0],
         every = *all](const Context& c, const ReadOptions& given) -> Result<Look> {
            const auto job = c.state.job(ns, id);
            std::vector<const model::Deployment*> rows;
            for (const auto& deployment : c.state.deployments_of_job(ns, id)) {
                if (every || job == nullptr || deployment.job_create_index == job->create_index) {
                    rows.push_back(&deployment);
                }
            }
            ReadOptions whole = given;
            whole.prefix.clear();
            NL_TRY(Look look, list_by_creation(std::move(rows), whole));
            look.index = c.state.table_index(TableId::Deployments);
            look.keys = {state::watch_of_job(TableId::Deployments, ns, id)};
            return look;
        }
    );
}

Outcome latest_deployment(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            const auto* deployment = c.state.latest_deployment(ns, id);
            return Look{
                json_response(deployment != nullptr ? wire::to_json(*deployment) : "null"),
                deployment != nullptr ? deployment->modify_index
                                      : c.state.table_index(TableId::Deployments),
                {state::watch_of_job(TableId::Deployments, ns, id)},
                {}
            };
        }
    );
}

Outcome summary(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            const auto* found = c.state.job_summary(ns, id);
            if (found == nullptr) {
                return missing(c, TableId::JobSummaries, std::string(kJobNotFound));
            }
            return Look{
                json_response(wire::to_json(*found)),
                found->modify_index,
                {state::watch_row(TableId::JobSummaries, ns, id)},
                {}
            };
        }
    );
}

/// Which versions the differences of a list of versions are taken between.
struct VersionDiffs {
    bool wanted{false};
    std::string tag;
    std::optional<std::uint64_t> version;
};

Result<VersionDiffs> version_diffs(const Request& request) {
    VersionDiffs out;
    NL_TRY(out.wanted, flag(request, "diffs"));
    out.tag = text_param(request, "diff_tag");
    if (const std::string text = text_param(request, "diff_version"); !text.empty()) {
        std::uint64_t number = 0;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (failed != std::errc() || end != text.data() + text.size()) {
            return std::unexpected(Error{
                ErrorCode::Internal,
                fmt::format(
                    "Failed to parse value of \"diff_version\" ({}) as a uint64: "
                    "strconv.ParseUint: parsing \"{}\": invalid syntax",
                    text,
                    text
                )
            });
        }
        out.version = number;
    }
    return out;
}

/// Each version against the one before it or, if one is named, against that. `all` is descending.
Result<std::vector<model::JobDiff>> diffs_of(
    const std::vector<std::shared_ptr<const model::Job>>& all, const VersionDiffs& which
) {
    const auto none = [](std::string text) {
        return std::unexpected(Error{ErrorCode::Internal, std::move(text)});
    };
    const model::Job* against = nullptr;
    if (!which.tag.empty() || which.version) {
        const auto found = std::ranges::find_if(all, [&](const auto& job) {
            return which.tag.empty() ? job->version == *which.version
                                     : job->version_tag && job->version_tag->name == which.tag;
        });
        if (found == all.end()) {
            return which.tag.empty() ? none(fmt::format("version {} not found", *which.version))
                                     : none(fmt::format("tag \"{}\" not found", which.tag));
        }
        against = found->get();
    }
    std::vector<model::JobDiff> out;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (against == nullptr && i + 1 == all.size()) {
            break;  // Nothing is older.
        }
        const model::Job* old = against != nullptr ? against : all[i + 1].get();
        out.push_back(jobspec::diff(old, all[i].get(), jobspec::DiffContext::WholeObjects));
    }
    return out;
}

Outcome versions(const Request& request, const PathValues& path, const Context& context) {
    const auto which = version_diffs(request);
    if (!which) {
        return error_response(which.error());
    }
    return read_envelope(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0],
         which = *which](const Context& c, const ReadOptions&) -> Result<Look> {
            const auto job = c.state.job(ns, id);
            if (job == nullptr) {
                return missing(c, TableId::Jobs, "job versions not found");
            }
            const auto range = c.state.job_versions(ns, id);
            std::vector<std::shared_ptr<const model::Job>> all;
            for (auto at = range.end(); at != range.begin();) {
                --at;
                all.push_back((*at).job);
            }
            std::string out = "{\"Versions\":[";
            for (const auto& version : all) {
                if (!out.ends_with('[')) {
                    out += ',';
                }
                wire::append_json(out, *version);
            }
            out += "],\"Diffs\":";
            std::vector<model::JobDiff> diffs;
            if (which.wanted) {
                NL_TRY(diffs, diffs_of(all, which));
            }
            // Tagging a version changes an old one.
            Index index = job->modify_index;
            for (const auto& version : all) {
                index = std::max(index, version->modify_index);
            }
            if (diffs.empty()) {
                out += "null";
            } else {
                out += '[';
                for (const model::JobDiff& diff : diffs) {
                    if (!out.ends_with('[')) {
                        out += ',';
                    }
                    wire::append_json(out, diff);
                }
                out += ']';
            }
            return Look{
                json_response(out + "}"),
                index,
                {state::watch_row(TableId::Jobs, ns, id),
                 state::watch_of_job(TableId::JobVersions, ns, id)},
                {}
            };
        }
    );
}

Outcome submission(const Request& request, const PathValues& path, const Context& context) {
    const std::string text = text_param(request, "version");
    std::uint64_t version = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), version);
    if (text.empty() || failed != std::errc() || end != text.data() + text.size()) {
        return text_response(400, "Unable to parse job submission version parameter");
    }
    return read(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0],
         version](const Context& c, const ReadOptions&) -> Result<Look> {
            const auto* found = c.state.job_submission(ns, id, version);
            if (found == nullptr) {
                return missing(c, TableId::JobSubmissions, "job source not found");
            }
            return Look{
                json_response(wire::to_json(*found)),
                found->job_modify_index,
                {state::watch_row(TableId::JobSubmissions, ns, id)},
                {}
            };
        }
    );
}

Outcome services(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0]](const Context& c, const ReadOptions& options) -> Result<Look> {
            if (c.state.job(ns, id) == nullptr) {
                return missing(c, TableId::Jobs, std::string(kJobNotFound));
            }
            std::vector<const model::ServiceRegistration*> rows;
            for (const auto& service : c.state.services_of_job(ns, id)) {
                rows.push_back(&service);
            }
            NL_TRY(
                Look look,
                list_page(
                    rows,
                    options,
                    TokenKind::Text,
                    [](const auto* s) { return SortToken{0, s->namespace_ + "." + s->id}; },
                    [](const auto* s) { return wire::to_value(*s); },
                    [](std::string& out, const auto* s) { wire::append_json(out, *s); }
                )
            );
            look.index = c.state.table_index(TableId::Services);
            look.keys = {state::watch_of_job(TableId::Services, ns, id)};
            return look;
        }
    );
}

Outcome actions(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            const auto job = c.state.job(ns, id);
            if (job == nullptr) {
                return missing(c, TableId::Jobs, std::string(kJobNotFound));
            }
            std::vector<model::JobAction> out;
            for (const auto& group : job->task_groups) {
                for (const auto& task : group.tasks) {
                    for (const auto& action : task.actions) {
                        out.push_back(
                            {action.name, action.command, action.args, task.name, group.name}
                        );
                    }
                }
            }
            return Look{
                json_response(wire::to_json(out)),
                job->modify_index,
                {state::watch_row(TableId::Jobs, ns, id)},
                {}
            };
        }
    );
}

model::JobScaleStatus scale_status(const Context& c, const model::Job& job) {
    model::JobScaleStatus out;
    out.job_id = job.id;
    out.namespace_ = job.namespace_;
    out.job_create_index = job.create_index;
    out.job_modify_index = job.modify_index;
    out.job_stopped = job.stop;
    const auto* events = c.state.scaling_events(job.namespace_, job.id);
    for (const auto& group : job.task_groups) {
        auto& status = out.task_groups[group.name];
        status.desired = group.count;
        if (events != nullptr) {
            if (const auto found = events->groups.find(group.name); found != events->groups.end()) {
                status.events = found->second;
            }
        }
    }
    for (const state::AllocView alloc : c.state.allocs_of_job(job.namespace_, job.id)) {
        const auto found = out.task_groups.find(alloc.task_group());
        if (found == out.task_groups.end() || alloc.server_terminal() ||
            alloc.job().create_index != job.create_index) {
            continue;
        }
        auto& status = found->second;
        status.placed += alloc.client_terminal() ? 0 : 1;
        status.running += alloc.client_status() == model::AllocClientStatus::Running ? 1 : 0;
        if (const auto& healthy = alloc.healthy()) {
            ++(*healthy ? status.healthy : status.unhealthy);
        }
    }
    return out;
}

Outcome scale(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         id = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            const auto job = c.state.job(ns, id);
            if (job == nullptr) {
                return missing(c, TableId::Jobs, std::string(kJobNotFound));
            }
            Index index = job->modify_index;
            if (const auto* events = c.state.scaling_events(ns, id)) {
                index = std::max(index, events->modify_index);
            }
            return Look{
                json_response(wire::to_json(scale_status(c, *job))),
                index,
                {state::watch_row(TableId::Jobs, ns, id),
                 state::watch_row(TableId::ScalingEvents, ns, id),
                 state::watch_of_job(TableId::Allocs, ns, id)},
                {}
            };
        }
    );
}

/// An allocation in the page of all jobs' states.
model::JobStatusesAlloc status_alloc(const state::AllocView& alloc) {
    model::JobStatusesAlloc out;
    out.id = alloc.id();
    out.group = alloc.task_group();
    out.client_status = alloc.client_status();
    out.node_id = alloc.node_id();
    out.job_version = alloc.job().version;
    out.followup_eval_id = alloc.details().followup_eval_id;
    if (alloc.healthy() || alloc.canary()) {
        out.deployment_status = model::JobStatusesDeployment{alloc.canary(), alloc.healthy()};
    }
    return out;
}

model::JobStatusesJob job_statuses(const Context& c, const model::Job& job) {
    model::JobStatusesJob out;
    out.id = job.id;
    out.namespace_ = job.namespace_;
    out.name = job.name;
    out.type = job.type;
    out.node_pool = job.node_pool;
    out.datacenters = job.datacenters;
    out.priority = job.priority;
    out.version = job.version;
    out.submit_time = job.submit_time;
    out.modify_index = job.modify_index;
    out.parent_id = job.parent_id;
    out.stop = job.stop;
    out.status = job.status;
    out.is_pack = job.meta.contains("pack.name");
    for (const auto& group : job.task_groups) {
        out.group_count_sum += group.count;
    }
    if (job.periodic || job.parameterized_job) {
        for (const auto& child : c.state.jobs_of_parent(job.namespace_, job.id)) {
            out.child_statuses.push_back(child.job->status);
        }
        return out;
    }
    for (const state::AllocView alloc : c.state.allocs_of_job(job.namespace_, job.id)) {
        if (!alloc.server_terminal() || !alloc.client_terminal()) {
            out.allocs.push_back(status_alloc(alloc));
        }
        out.modify_index = std::max(out.modify_index, alloc.modify_index());
    }
    if (const auto* deployment = c.state.latest_deployment(job.namespace_, job.id)) {
        model::JobStatusesLatestDeployment latest;
        latest.id = deployment->id;
        latest.is_active = model::is_active(deployment->status);
        latest.job_version = deployment->job_version;
        latest.status = deployment->status;
        latest.status_description = deployment->status_description;
        latest.all_auto_promote = !deployment->task_groups.empty();
        for (const auto& [name, group] : deployment->task_groups) {
            latest.all_auto_promote = latest.all_auto_promote && group.auto_promote;
            latest.requires_promotion =
                latest.requires_promotion || (group.desired_canaries > 0 && !group.promoted);
        }
        latest.requires_promotion =
            latest.requires_promotion && deployment->status == model::DeploymentStatus::Running;
        out.latest_deployment = latest;
        out.modify_index = std::max(out.modify_index, deployment->modify_index);
    }
    return out;
}

/// The jobs whose states a POST asks for; a GET asks for those of its namespace.
struct WantedJobs {
    /// By namespace and id.
    std::optional<std::set<std::pair<std::string, std::string>>> named;
    bool children = false;
};
Result<WantedJobs> wanted_jobs(const Request& request) {
    WantedJobs out;
    const auto children = bool_param(request, "include_children");
    if (!children) {
        return std::unexpected(children.error());
    }
    out.children = children->value_or(false);
    if (request.method == "GET" || request.method == "HEAD") {
        return out;
    }
    NL_TRY(const Value body, body_object(request));
    out.children = bool_member(body, "IncludeChildren");
    const Value* jobs = member(body, "Jobs");
    const Value::List* list = jobs != nullptr ? jobs->as_list() : nullptr;
    if (list == nullptr || list->empty()) {
        return out;
    }
    out.named.emplace();
    for (const Value& one : *list) {
        const std::string ns = text_member(one, "Namespace");
        out.named->emplace(ns.empty() ? namespace_of(request) : ns, text_member(one, "ID"));
    }
    return out;
}

Outcome statuses(const Request& request, const PathValues&, const Context& context) {
    auto wanted = wanted_jobs(request);
    if (!wanted) {
        return error_response(wanted.error());
    }
    return read(
        request,
        context,
        [asked = namespace_of(request),
         wanted = std::move(*wanted)](const Context& c, const ReadOptions& given) -> Result<Look> {
            std::vector<model::JobStatusesJob> jobs;
            // Jobs that are named may lie in any namespace the caller may read.
            const std::string ns = wanted.named ? std::string(kAllNamespaces) : asked;
            const auto add = [&](const model::Job& job) {
                if ((wanted.children || wanted.named || job.parent_id.empty()) &&
                    job.id.starts_with(given.prefix) && visible(c, ns, job.namespace_)) {
                    jobs.push_back(job_statuses(c, job));
                }
            };
            if (wanted.named) {
                for (const auto& [job_ns, id] : *wanted.named) {
                    if (const auto job = c.state.job(job_ns, id)) {
                        add(*job);
                        for (const auto& child : c.state.jobs_of_parent(job_ns, id)) {
                            if (wanted.children && !wanted.named->contains({job_ns, child.job->id})) {
                                add(*child.job);
                            }
                        }
                    }
                }
            } else {
                const bool all = ns == kAllNamespaces;
                for (const auto& row : all ? c.state.jobs() : c.state.jobs(ns, given.prefix)) {
                    add(*row.job);
                }
            }
            // Newest first unless reversed: the other way round than every other list.
            ReadOptions options = given;
            options.reverse = !given.reverse;
            sort_by(jobs, options.reverse, [](const auto& job) {
                return std::pair(job.modify_index, job.id);
            });
            NL_TRY(
                Look look,
                list_page(
                    jobs,
                    options,
                    TokenKind::Number,
                    [](const auto& job) { return SortToken{job.modify_index.value, ""}; },
                    [](const auto& job) { return wire::to_value(job); },
                    [](std::string& out, const auto& job) { wire::append_json(out, job); }
                )
            );
            look.index =
                c.state.table_index({TableId::Jobs, TableId::Allocs, TableId::Deployments});
            look.keys = {
                watch_list(TableId::Jobs, ns),
                watch_list(TableId::Allocs, ns),
                watch_list(TableId::Deployments, ns)
            };
            return look;
        }
    );
}

constexpr Route kRoutes[] = {
    {kGet, "/v1/jobs", Where::Server, "ns:list-jobs", "meta", "List jobs.", list},
    {kGet | kPut,
     "/v1/jobs/statuses",
     Where::Server,
     "ns:read-job",
     "include_children",
     "States of jobs.",
     statuses},
    {kGet,
     "/v1/job/{id*}/allocations",
     Where::Server,
     "ns:read-job",
     "all resources task_states",
     "Allocations of a job.",
     allocations},
    {kGet,
     "/v1/job/{id*}/evaluations",
     Where::Server,
     "ns:read-job",
     "",
     "Evaluations of a job.",
     evaluations},
    {kGet,
     "/v1/job/{id*}/deployments",
     Where::Server,
     "ns:read-job",
     "all",
     "Deployments of a job.",
     deployments},
    {kGet,
     "/v1/job/{id*}/deployment",
     Where::Server,
     "ns:read-job",
     "",
     "The newest deployment of a job.",
     latest_deployment},
    {kGet,
     "/v1/job/{id*}/versions",
     Where::Server,
     "ns:read-job",
     "diffs diff_tag diff_version",
     "Versions of a job.",
     versions},
    {kGet,
     "/v1/job/{id*}/summary",
     Where::Server,
     "ns:read-job",
     "",
     "How many allocations of a job are in which state.",
     summary},
    {kGet,
     "/v1/job/{id*}/submission",
     Where::Server,
     "ns:read-job",
     "version",
     "The source of a version of a job.",
     submission},
    {kGet,
     "/v1/job/{id*}/services",
     Where::Server,
     "ns:read-job",
     "",
     "Services of a job.",
     services},
    {kGet, "/v1/job/{id*}/actions", Where::Server, "ns:read-job", "", "Actions of a job.", actions},
    {kGet,
     "/v1/job/{id*}/scale",
     Where::Server,
     "ns:read-job|ns:read-job-scaling",
     "",
     "Counts of a job and how they were scaled.",
     scale},
    {kGet, "/v1/job/{id*}", Where::Server, "ns:read-job", "", "A job.", get},
};

}  // namespace

std::span<const Route> job_routes() {
    return kRoutes;
}

}  // namespace nl::api
