#include "cli/monitor.h"

#include "cli/tables.h"

#include <algorithm>
#include <array>
#include <map>

namespace nl::cli {

namespace {

constexpr int kPlacementFailed = 2;
// A chain of waiting evaluations is followed this far.
constexpr int kMaxChain = 16;
constexpr int kQuickPolls = 20;
constexpr Duration kQuickPoll = milliseconds(50);
constexpr Duration kSlowPoll = seconds(1);
constexpr Duration kDeploymentPoll = milliseconds(250);
constexpr std::array<std::string_view, 10> kSpinner{
    "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"
};

bool is_terminal(const std::string& status) {
    return status == "complete" || status == "failed" || status == "canceled" ||
           status == "cancelled";
}

std::string indented(const std::string& text, std::string_view by) {
    std::string out;
    std::size_t start = 0;
    while (start <= text.size()) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        out += fmt::format("{}{}{}", start == 0 ? "" : "\n", by, text.substr(start, end - start));
        start = end + 1;
    }
    return out;
}

class EvaluationMonitor {
public:
    EvaluationMonitor(Context& context, Api& api) : context_(context), api_(api) {}

    int follow(const std::string& id, int link) {
        headline(fmt::format("Monitoring evaluation \"{}\"", shown(id)));
        Value evaluation;
        for (int poll = 0;; ++poll) {
            auto answer = api_.get(api_path({"evaluation", id}));
            if (!answer) {
                return context_.fail("Error reading evaluation: {}", answer.error().message);
            }
            evaluation = std::move(*answer);
            auto allocations = api_.get(api_path({"evaluation", id, "allocations"}));
            if (!allocations) {
                return context_.fail("Error reading allocations: {}", allocations.error().message);
            }
            show_evaluation(evaluation);
            show_allocations(evaluation, *allocations);
            show_status(evaluation);
            if (is_terminal(status_)) {
                break;
            }
            context_.env().sleep(poll < kQuickPolls ? kQuickPoll : kSlowPoll);
        }
        return finish(evaluation, link);
    }

private:
    std::string shown(const std::string& id) const { return short_id(id, context_.id_length()); }
    std::string now() const { return context_.time(context_.env().now()); }
    void headline(const std::string& text) const {
        context_.line("{}", context_.ui().bold(fmt::format("==> {}: {}", now(), text)));
    }
    void detail(const std::string& text) const { context_.line("    {}: {}", now(), text); }

    void show_evaluation(Doc evaluation) {
        if (!introduced_) {
            introduced_ = true;
            const std::string node = evaluation["NodeID"].text();
            detail(
                evaluation["TriggeredBy"].text() == "node-update" && !node.empty()
                    ? fmt::format("Evaluation triggered by node \"{}\"", shown(node))
                    : fmt::format("Evaluation triggered by job \"{}\"", evaluation["JobID"].text())
            );
        }
        const std::string deployment = evaluation["DeploymentID"].text();
        if (!deployment.empty() && deployment != deployment_) {
            deployment_ = deployment;
            detail(fmt::format("Evaluation within deployment: \"{}\"", shown(deployment)));
        }
    }

    void show_allocations(Doc evaluation, Doc allocations) {
        for (const Value& item : allocations.list()) {
            const Doc alloc(item);
            const std::string id = alloc["ID"].text();
            const std::string status = alloc["ClientStatus"].text();
            const auto [known, is_new] = allocations_.emplace(id, status);
            if (is_new) {
                const bool created =
                    alloc["CreateIndex"].integer() >= evaluation["CreateIndex"].integer();
                detail(fmt::format(
                    "Allocation \"{}\" {}: node \"{}\", group \"{}\"",
                    shown(id),
                    created ? "created" : "modified",
                    shown(alloc["NodeID"].text()),
                    alloc["TaskGroup"].text()
                ));
                continue;
            }
            if (known->second != status) {
                const std::string why = alloc["ClientDescription"].text();
                detail(fmt::format(
                    "Allocation \"{}\" status changed: \"{}\" -> \"{}\"{}",
                    shown(id),
                    known->second,
                    status,
                    why.empty() ? "" : fmt::format(" ({})", why)
                ));
                known->second = status;
            }
        }
    }

    void show_status(Doc evaluation) {
        const std::string status = evaluation["Status"].text();
        if (status == status_) {
            return;
        }
        // The first look has nothing to compare with but the state every evaluation starts in.
        const std::string before = status_.empty() ? "pending" : status_;
        status_ = status;
        if (before != status) {
            detail(fmt::format("Evaluation status changed: \"{}\" -> \"{}\"", before, status));
        }
    }

    int finish(Doc evaluation, int link) {
        const std::string id = evaluation["ID"].text();
        const Doc failed = evaluation["FailedTGAllocs"];
        const bool placed = failed.map().empty();
        if (placed) {
            const std::string why = evaluation["StatusDescription"].text();
            headline(fmt::format(
                "Evaluation \"{}\" finished with status \"{}\"{}",
                shown(id),
                status_,
                status_ == "complete" || why.empty() ? "" : fmt::format(": {}", why)
            ));
        } else {
            headline(fmt::format(
                "Evaluation \"{}\" finished with status \"{}\" but failed to place all "
                "allocations:",
                shown(id),
                status_
            ));
            const std::string prefix = fmt::format("    {}: ", now());
            context_.line("{}", indented(failed_groups(context_, failed, ""), prefix));
            if (const std::string blocked = evaluation["BlockedEval"].text(); !blocked.empty()) {
                detail(fmt::format(
                    "Evaluation \"{}\" waiting for additional capacity to place remainder",
                    shown(blocked)
                ));
            }
        }
        if (const std::string next = evaluation["NextEval"].text();
            !next.empty() && link < kMaxChain) {
            const Duration wait{evaluation["Wait"].integer()};
            detail(
                fmt::format("Monitoring next evaluation \"{}\" in {}", shown(next), to_string(wait))
            );
            context_.env().sleep(wait);
            return EvaluationMonitor(context_, api_).follow(next, link + 1);
        }
        if (!deployment_.empty()) {
            return monitor_deployment(context_, api_, deployment_);
        }
        if (status_ == "failed") {
            return 1;
        }
        return placed ? 0 : kPlacementFailed;
    }

    Context& context_;
    Api& api_;
    bool introduced_{false};
    std::string status_;
    std::string deployment_;
    std::map<std::string, std::string> allocations_;
};

class DeploymentMonitor {
public:
    DeploymentMonitor(Context& context, Api& api)
        : context_(context), api_(api), redraw_(context.env().out_is_terminal) {}

    int follow(const std::string& id) {
        const std::string now = context_.time(context_.env().now());
        context_.line(
            "{}",
            context_.ui().bold(fmt::format(
                "==> {}: Monitoring deployment \"{}\"", now, short_id(id, context_.id_length())
            ))
        );
        std::uint64_t index = 0;
        while (true) {
            Query query;
            if (index > 0) {
                query = {{"index", fmt::format("{}", index)}, {"wait", redraw_ ? "250ms" : "2s"}};
            }
            const auto answer = api_.get(api_path({"deployment", id}), query);
            if (!answer) {
                return context_.fail("Error fetching deployment: {}", answer.error().message);
            }
            index = api_.last_index();
            const Doc deployment(*answer);
            const std::string status = deployment["Status"].text();
            const bool ended = status == "successful" || status == "failed" ||
                               status == "cancelled" || status == "blocked";
            show(deployment, status, ended);
            if (ended) {
                return finish(deployment, status);
            }
            context_.env().sleep(kDeploymentPoll);
        }
    }

private:
    void show(Doc deployment, const std::string& status, bool ended) {
        const std::string body = fmt::format(
            "{}\n\n{}\n{}",
            deployment_pairs(context_, deployment),
            context_.ui().bold("Deployed"),
            deployment_groups(context_, deployment)
        );
        if (!redraw_) {
            if (body != last_) {
                last_ = body;
                context_.line("    ");
                context_.line("    {}", context_.time(context_.env().now()));
                context_.line("{}", indented(body, "    "));
            }
            return;
        }
        const std::string id = short_id(deployment["ID"].text(), context_.id_length());
        std::string mark(kSpinner[frame_++ % kSpinner.size()]);
        if (ended) {
            mark = status == "successful" ? context_.ui().green("✓") : context_.ui().red("!");
        }
        const std::string head =
            fmt::format("  {} Deployment \"{}\" {}", mark, id, ended ? status : "in progress...");
        const std::string block = fmt::format(
            "{}\n    \n    {}\n{}",
            head,
            context_.time(context_.env().now()),
            indented(body, "    ")
        );
        if (lines_ > 0) {
            context_.ui().raw(fmt::format("\x1b[{}A\x1b[J", lines_));
        }
        context_.ui().line(block);
        lines_ = static_cast<std::size_t>(std::ranges::count(block, '\n')) + 1;
    }

    int finish(Doc deployment, const std::string& status) {
        // A failed deployment may have set a new one in motion: the job's last stable version.
        const bool reverts =
            status == "failed" &&
            std::ranges::any_of(deployment["TaskGroups"].map(), [](const auto& group) {
                return Doc(group.second)["AutoRevert"].flag();
            });
        if (reverts) {
            const auto latest =
                api_.get(api_path({"job", deployment["JobID"].text(), "deployment"}));
            if (latest && !Doc(*latest).is_null() &&
                Doc(*latest)["ID"].text() != deployment["ID"].text() &&
                Doc(*latest)["CreateIndex"].integer() > deployment["CreateIndex"].integer()) {
                DeploymentMonitor(context_, api_).follow(Doc(*latest)["ID"].text());
            }
        }
        return status == "successful" ? 0 : 1;
    }

    Context& context_;
    Api& api_;
    bool redraw_;
    std::string last_;
    std::size_t frame_{0};
    std::size_t lines_{0};
};

}  // namespace

int monitor_evaluation(Context& context, Api& api, const std::string& evaluation_id) {
    return EvaluationMonitor(context, api).follow(evaluation_id, 0);
}

int monitor_deployment(Context& context, Api& api, const std::string& deployment_id) {
    return DeploymentMonitor(context, api).follow(deployment_id);
}

}  // namespace nl::cli
