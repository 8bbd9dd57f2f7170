#include "cli/tables.h"

#include <algorithm>

namespace nl::cli {

namespace {

Value::List newest_first(const Value::List& list, std::string_view index) {
    Value::List sorted = list;
    std::ranges::stable_sort(sorted, [&](const Value& a, const Value& b) {
        return Doc(a)[index].integer() > Doc(b)[index].integer();
    });
    return sorted;
}

}  // namespace

std::string job_type(Doc job) {
    std::string type = job["Type"].text();
    if (job["Periodic"].flag() || !job["Periodic"].map().empty()) {
        type += "/periodic";
    }
    if (job["ParameterizedJob"].flag() || !job["ParameterizedJob"].map().empty()) {
        type += "/parameterized";
    }
    return type;
}

std::string job_status_word(Doc job) {
    return job["Status"].text() + (job["Stop"].flag() ? " (stopped)" : "");
}

std::string job_table(const Context& context, const Value::List& jobs, bool with_namespace) {
    std::vector<Row> rows;
    Row title{"ID"};
    if (with_namespace) {
        title.emplace_back("Namespace");
    }
    for (const char* word : {"Type", "Priority", "Status", "Submit Date"}) {
        title.emplace_back(word);
    }
    rows.push_back(std::move(title));
    for (const Value& item : jobs) {
        const Doc job(item);
        Row row{job["ID"].text()};
        if (with_namespace) {
            row.push_back(job["Namespace"].text_or(job["JobSummary"]["Namespace"].text()));
        }
        row.push_back(job_type(job));
        row.push_back(job["Priority"].text());
        row.push_back(job_status_word(job));
        row.push_back(context.time(job["SubmitTime"]));
        rows.push_back(std::move(row));
    }
    return table(rows);
}

std::string allocation_table(const Context& context, const Value::List& allocations) {
    if (allocations.empty()) {
        return "No allocations placed";
    }
    const IdLength length = context.id_length();
    const bool verbose = length == IdLength::Full;
    std::vector<Row> rows;
    rows.push_back(
        verbose ? Row{"ID",
                      "Eval ID",
                      "Node ID",
                      "Node Name",
                      "Task Group",
                      "Version",
                      "Desired",
                      "Status",
                      "Created",
                      "Modified"}
                : Row{"ID",
                      "Node ID",
                      "Task Group",
                      "Version",
                      "Desired",
                      "Status",
                      "Created",
                      "Modified"}
    );
    for (const Value& item : newest_first(allocations, "CreateIndex")) {
        const Doc alloc(item);
        const Doc version =
            alloc["JobVersion"].is_null() ? alloc["Job"]["Version"] : alloc["JobVersion"];
        Row row{short_id(alloc["ID"].text(), length)};
        if (verbose) {
            row.push_back(alloc["EvalID"].text());
        }
        row.push_back(short_id(alloc["NodeID"].text(), length));
        if (verbose) {
            row.push_back(alloc["NodeName"].text());
        }
        row.push_back(alloc["TaskGroup"].text());
        row.push_back(version.text());
        row.push_back(alloc["DesiredStatus"].text());
        row.push_back(alloc["ClientStatus"].text());
        for (const char* time : {"CreateTime", "ModifyTime"}) {
            row.push_back(verbose ? context.time(alloc[time]) : context.ago(alloc[time]));
        }
        rows.push_back(std::move(row));
    }
    return table(rows);
}

std::string node_table(
    const Context& context, const Value::List& nodes, const NodeColumns& columns
) {
    const IdLength length = context.id_length();
    const bool verbose = length == IdLength::Full;
    Row title{"ID", "Node Pool", "DC", "Name", "Class"};
    if (columns.os) {
        title.emplace_back("OS");
    }
    if (verbose) {
        title.emplace_back("Address");
        title.emplace_back("Version");
    }
    for (const char* word : {"Drain", "Eligibility", "Status"}) {
        title.emplace_back(word);
    }
    if (!columns.running.empty()) {
        title.emplace_back("Running Allocs");
    }
    std::vector<Row> rows{std::move(title)};
    for (const Value& item : nodes) {
        const Doc node(item);
        Row row{
            short_id(node["ID"].text(), length),
            node["NodePool"].text(),
            node["Datacenter"].text(),
            node["Name"].text(),
            node["NodeClass"].text()
        };
        if (columns.os) {
            row.push_back(node["Attributes"]["os.name"].text());
        }
        if (verbose) {
            row.push_back(node["Address"].text());
            row.push_back(node["Version"].text());
        }
        row.push_back(node["Drain"].flag() ? "true" : "false");
        row.push_back(node["SchedulingEligibility"].text());
        row.push_back(node["Status"].text());
        if (!columns.running.empty()) {
            const auto count = columns.running.find(node["ID"].text());
            row.push_back(count == columns.running.end() ? "0" : count->second);
        }
        rows.push_back(std::move(row));
    }
    return table(rows);
}

std::string placement_failures(Doc evaluation) {
    const std::string status = evaluation["Status"].text();
    if (status == "pending") {
        return "N/A - In Progress";
    }
    return evaluation["FailedTGAllocs"].map().empty() ? "false" : "true";
}

std::string evaluation_list_table(const Context& context, const Value::List& evaluations) {
    const IdLength length = context.id_length();
    std::vector<Row> rows{
        {"ID",
         "Priority",
         "Triggered By",
         "Job ID",
         "Namespace",
         "Node ID",
         "Status",
         "Placement Failures"}
    };
    for (const Value& item : evaluations) {
        const Doc eval(item);
        rows.push_back(
            {short_id(eval["ID"].text(), length),
             eval["Priority"].text(),
             eval["TriggeredBy"].text(),
             eval["JobID"].text(),
             eval["Namespace"].text(),
             short_id(eval["NodeID"].text(), length),
             eval["Status"].text(),
             placement_failures(eval)}
        );
    }
    return table(rows);
}

std::string deployment_table(const Context& context, const Value::List& deployments) {
    const IdLength length = context.id_length();
    std::vector<Row> rows{{"ID", "Job ID", "Job Version", "Status", "Description"}};
    for (const Value& item : deployments) {
        const Doc deployment(item);
        rows.push_back(
            {short_id(deployment["ID"].text(), length),
             deployment["JobID"].text(),
             deployment["JobVersion"].text(),
             deployment["Status"].text(),
             deployment["StatusDescription"].text()}
        );
    }
    return table(rows);
}

std::string deployment_pairs(const Context& context, Doc deployment) {
    return key_values({
        {"ID", short_id(deployment["ID"].text(), context.id_length())},
        {"Job ID", deployment["JobID"].text()},
        {"Job Version", deployment["JobVersion"].text()},
        {"Status", deployment["Status"].text()},
        {"Description", deployment["StatusDescription"].text()},
    });
}

std::string deployment_groups(const Context& context, Doc deployment) {
    const Value::Map& groups = deployment["TaskGroups"].map();
    bool canaries = false;
    bool auto_revert = false;
    bool deadline = false;
    for (const auto& [name, value] : groups) {
        const Doc group(value);
        canaries = canaries || group["DesiredCanaries"].integer() > 0;
        auto_revert = auto_revert || group["AutoRevert"].flag();
        deadline = deadline || group["ProgressDeadline"].integer() != 0;
    }
    Row title{"Task Group"};
    const auto add = [&](bool wanted, const char* word) {
        if (wanted) {
            title.emplace_back(word);
        }
    };
    add(auto_revert, "Auto Revert");
    add(canaries, "Promoted");
    add(true, "Desired");
    add(canaries, "Canaries");
    add(true, "Placed");
    add(true, "Healthy");
    add(true, "Unhealthy");
    add(deadline, "Progress Deadline");
    std::vector<Row> rows{std::move(title)};
    for (const auto& [name, value] : groups) {
        const Doc group(value);
        const bool has_canaries = group["DesiredCanaries"].integer() > 0;
        Row row{name};
        if (auto_revert) {
            row.push_back(group["AutoRevert"].flag() ? "true" : "false");
        }
        if (canaries) {
            row.push_back(has_canaries ? (group["Promoted"].flag() ? "true" : "false") : "N/A");
        }
        row.push_back(group["DesiredTotal"].text());
        if (canaries) {
            row.push_back(has_canaries ? group["DesiredCanaries"].text() : "N/A");
        }
        row.push_back(group["PlacedAllocs"].text());
        row.push_back(group["HealthyAllocs"].text());
        row.push_back(group["UnhealthyAllocs"].text());
        if (deadline) {
            const std::string time = context.time(group["RequireProgressBy"]);
            row.push_back(time.empty() ? "N/A" : time);
        }
        rows.push_back(std::move(row));
    }
    return table(rows);
}

std::string metric_lines(const Context& context, Doc metric, std::string_view indent, bool scores) {
    std::string out;
    const auto bullet = [&](const std::string& text) {
        out += fmt::format("{}{}* {}", out.empty() ? "" : "\n", indent, text);
    };
    if (metric["NodesEvaluated"].integer() == 0) {
        bullet("No nodes were eligible for evaluation");
    }
    for (const auto& [datacenter, available] : metric["NodesAvailable"].map()) {
        if (Doc(available).integer() == 0) {
            bullet(fmt::format("No nodes are available in datacenter \"{}\"", datacenter));
        }
    }
    for (const auto& [name, count] : metric["ClassFiltered"].map()) {
        bullet(fmt::format("Class \"{}\": {} nodes excluded by filter", name, Doc(count).integer())
        );
    }
    for (const auto& [name, count] : metric["ConstraintFiltered"].map()) {
        const std::string text = fmt::format(
            "Constraint \"{}\": {} nodes excluded by filter", name, Doc(count).integer()
        );
        bullet(name.find("missing drivers") == std::string::npos ? text : context.ui().red(text));
    }
    if (const std::int64_t count = metric["NodesExhausted"].integer(); count > 0) {
        bullet(fmt::format("Resources exhausted on {} nodes", count));
    }
    for (const auto& [name, count] : metric["ClassExhausted"].map()) {
        bullet(fmt::format("Class \"{}\" exhausted on {} nodes", name, Doc(count).integer()));
    }
    for (const auto& [name, count] : metric["DimensionExhausted"].map()) {
        bullet(fmt::format("Dimension \"{}\" exhausted on {} nodes", name, Doc(count).integer()));
    }
    for (const Value& quota : metric["QuotaExhausted"].list()) {
        bullet(fmt::format("Quota limit hit \"{}\"", Doc(quota).text()));
    }
    const Value::List& meta = metric["ScoreMetaData"].list();
    if (!scores || meta.empty()) {
        return out;
    }
    // The names differ from job to job, so the first node's give the columns.
    std::vector<Row> rows{{"Node"}};
    const Value::Map& names = Doc(meta[0])["Scores"].map();
    for (const auto& [name, score] : names) {
        rows[0].push_back(name);
    }
    rows[0].emplace_back("final score");
    for (const Value& item : meta) {
        const Doc node(item);
        Row row{short_id(node["NodeID"].text(), context.id_length())};
        for (const auto& [name, score] : names) {
            row.push_back(fmt::format("{:.3g}", node["Scores"][name].number()));
        }
        row.push_back(fmt::format("{:.3g}", node["NormScore"].number()));
        rows.push_back(std::move(row));
    }
    return out + (out.empty() ? "" : "\n") + table(rows);
}

std::string failed_groups(const Context& context, Doc failed, std::string_view indent) {
    std::string out;
    for (const auto& [name, value] : failed.map()) {
        const Doc metric(value);
        const std::int64_t count = metric["CoalescedFailures"].integer() + 1;
        out += fmt::format(
            "{}{}Task Group \"{}\" (failed to place {}):\n{}",
            out.empty() ? "" : "\n",
            indent,
            name,
            plural(count, "allocation"),
            metric_lines(
                context, metric, std::string(indent) + "  ", context.id_length() == IdLength::Full
            )
        );
    }
    return out;
}

std::string plural(std::int64_t count, std::string_view word) {
    return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

}  // namespace nl::cli
