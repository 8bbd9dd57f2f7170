// The original program's dashboard routes, and the page. Source: nomad_lite.md.
#include "api/body.h"
#include "api/json_text.h"
#include "api/page.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/seed.h"
#include "api/status.h"
#include "api/writing.h"
#include "wire/value_json.h"

namespace nl::api {
namespace {

/// Jobs whose output the list shows; older ones show none.
constexpr std::size_t kOutputsMax = 20;

Outcome cluster(const Request&, const PathValues&, const Context& context) {
    const ClusterView& view = context.cluster;
    Value::List nodes;
    for (const Peer& peer : view.peers) {
        nodes.emplace_back(Value::Map{
            {"node_id", static_cast<std::int64_t>(peer.id.value)},
            {"address", peer.address},
            {"is_alive", peer.alive},
        });
    }
    const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    const std::uint64_t first = view.first_log_index.value;
    const std::uint64_t last = view.last_log_index.value;
    const bool led = view.leader != ServerId{};
    return json_response(wire::write_json(Value::Map{
        {"node_id", number(view.self.value)},
        {"role", view.is_leader() ? "leader" : "follower"},
        {"current_term", number(view.term.value)},
        {"leader_id", led ? Value(number(view.leader.value)) : Value()},
        {"commit_index", number(view.commit_index.value)},
        {"last_applied", number(view.applied_index.value)},
        {"log_length", number(last >= first && last > 0 ? last - first + 1 : 0)},
        {"nodes", std::move(nodes)},
    }));
}

Response submit_response(
    std::int64_t status, bool success, const Value& job_id, const Value& error, const Value& state
) {
    Response out = json_response(wire::write_json(
        Value::Map{{"success", success}, {"job_id", job_id}, {"error", error}, {"status", state}}
    ));
    out.status = status;
    return out;
}

Outcome submit(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return submit_response(400, false, {}, body.error().message, {});
    }
    std::optional<std::string> image;
    if (const std::string text = text_member(*body, "image"); !text.empty()) {
        image = text;
    }
    const auto job =
        seed::make_job(text_member(*body, "command"), image, new_id(context, 7), context);
    if (!job) {
        return submit_response(400, false, {}, job.error().message, {});
    }
    return propose_command(
        seed::submit_command(*job, context),
        [id = job->id](const Context&, const Applied&) -> Outcome {
            return submit_response(200, true, id, {}, "PENDING");
        }
    );
}

Response cancel_response(std::int64_t status, bool success, const Value& error) {
    Response out =
        json_response(wire::write_json(Value::Map{{"success", success}, {"error", error}}));
    out.status = status;
    return out;
}

Outcome cancel(const Request&, const PathValues& path, const Context& context) {
    const auto command = seed::cancel_command(path[0], context);
    if (!command) {
        const bool unknown = command.error().code == ErrorCode::NotFound;
        return cancel_response(unknown ? 404 : 400, false, command.error().message);
    }
    return propose_command(*command, [](const Context&, const Applied&) -> Outcome {
        return cancel_response(200, true, {});
    });
}

Value time_or_null(std::optional<std::int64_t> ms) {
    return ms ? Value(to_rfc3339(WallTime{*ms * 1'000'000})) : Value();
}

Value job_value(const seed::JobView& job, std::string output) {
    return Value::Map{
        {"id", job.id},
        {"command", job.command},
        {"status", std::string(seed::to_string(job.status))},
        {"executed_by",
         job.executed_by != 0 ? Value(static_cast<std::int64_t>(job.executed_by)) : Value()},
        {"exit_code", job.exit_code ? Value(static_cast<std::int64_t>(*job.exit_code)) : Value()},
        {"output", std::move(output)},
        {"error", job.error.empty() ? Value() : Value(job.error)},
        {"created_at", time_or_null(job.created_at_ms)},
        {"completed_at", time_or_null(job.completed_at_ms)},
    };
}

/// The list with the outputs fetched so far; one node is asked after another.
struct Listing {
    std::vector<seed::JobView> jobs;
    std::vector<std::string> outputs;
    std::size_t next = 0;
    std::size_t fetched = 0;
};

Outcome list_on(std::shared_ptr<Listing> listing) {
    while (listing->next > 0 && listing->fetched < kOutputsMax) {
        const std::size_t at = --listing->next;
        const seed::JobView& job = listing->jobs[at];
        if (job.alloc_id.is_nil() || job.executed_by == 0) {
            continue;
        }
        ++listing->fetched;
        return ask_node(
            seed::output_call(job, "stdout"),
            [listing, at](const Context&, const NodeAnswered& answered) -> Outcome {
                if (answered.items) {
                    listing->outputs[at] = seed::output_text(*answered.items);
                }
                return list_on(listing);
            }
        );
    }
    Value::List out;
    for (std::size_t i = 0; i < listing->jobs.size(); ++i) {
        out.push_back(job_value(listing->jobs[i], std::move(listing->outputs[i])));
    }
    return json_response(wire::write_json(out));
}

Outcome list(const Request&, const PathValues&, const Context& context) {
    auto listing = std::make_shared<Listing>();
    listing->jobs = seed::all_jobs(context.state, {});
    listing->outputs.resize(listing->jobs.size());
    // Newest first: their outputs are what someone looks at.
    listing->next = listing->jobs.size();
    return list_on(std::move(listing));
}

Outcome live(const Request&, const PathValues&, const Context&) {
    return json_response("{\"status\":\"ok\"}");
}

Outcome ready(const Request&, const PathValues&, const Context& context) {
    if (context.cluster.leader == ServerId{}) {
        Response out = json_response("{\"status\":\"no_leader\",\"leader_id\":null}");
        out.status = 503;
        return out;
    }
    return json_response(
        fmt::format("{{\"status\":\"ok\",\"leader_id\":{}}}", context.cluster.leader)
    );
}

Outcome page(const Request&, const PathValues&, const Context&) {
    return Response{
        200,
        {{"Content-Type", "text/html; charset=utf-8"},
         {"Cache-Control", "no-cache"},
         {"X-Content-Type-Options", "nosniff"},
         {"Content-Security-Policy",
          "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
          "connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'"}},
        std::string(page_html())
    };
}

constexpr Route kRoutes[] = {
    {kGet, "/api/cluster", Where::Local, "node:read", "", "The original's cluster view.", cluster},
    {kGet, "/api/jobs", Where::Server, "ns:read-job", "", "The original's list of jobs.", list},
    {kPut, "/api/jobs", Where::Leader, "ns:submit-job", "", "Run a command.", submit},
    {kDelete, "/api/jobs/{id}", Where::Leader, "ns:submit-job", "", "Cancel a command.", cancel},
    {kGet, "/health/live", Where::Local, "anon", "", "The process lives.", live},
    {kGet, "/health/ready", Where::Local, "anon", "", "There is a leader.", ready},
    {kGet, "/", Where::Local, "anon", "", "The page.", page},
    {kGet, "/ui/", Where::Local, "anon", "", "The page.", page},
    {kGet, "/ui/{path*}", Where::Local, "anon", "", "The page.", page},
};

}  // namespace

std::span<const Route> dashboard_routes() {
    return kRoutes;
}

}  // namespace nl::api
