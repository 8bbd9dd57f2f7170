#include "cli/lookup.h"

#include "base/check.h"
#include "cli/tables.h"

namespace nl::cli {

namespace {

constexpr std::string_view kPageSize = "20";

struct NounWords {
    std::string_view list;
    std::string_view singular;
    std::string_view plural;
};

NounWords words(IdNoun noun) {
    switch (noun) {
        case IdNoun::Allocation:
            return {.list = "allocations", .singular = "allocation", .plural = "allocations"};
        case IdNoun::Node:
            return {.list = "nodes", .singular = "node", .plural = "nodes"};
        case IdNoun::Evaluation:
            return {.list = "evaluations", .singular = "evaluation", .plural = "evaluations"};
        case IdNoun::Deployment:
            return {.list = "deployments", .singular = "deployment", .plural = "deployments"};
    }
    NL_UNREACHABLE();
}

// The server compares whole bytes, so an odd number of digits is cut by one.
std::string even_prefix(std::string_view typed) {
    std::string digits;
    for (const char c : typed) {
        if (c != '-') {
            digits += c;
        }
    }
    if (digits.size() % 2 == 1) {
        digits.pop_back();
    }
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            out += '-';
        }
        out += digits[i];
    }
    return out;
}

std::string matches_table(const Context& context, IdNoun noun, const Value::List& list) {
    switch (noun) {
        case IdNoun::Allocation:
            return allocation_table(context, list);
        case IdNoun::Node:
            return node_table(context, list, {});
        case IdNoun::Evaluation:
            return evaluation_list_table(context, list);
        case IdNoun::Deployment:
            return deployment_table(context, list);
    }
    NL_UNREACHABLE();
}

}  // namespace

std::optional<FoundJob> find_job(
    Context& context, Api& api, std::string_view typed, std::string_view filter
) {
    Query query{{"prefix", std::string(typed)}, {"per_page", std::string(kPageSize)}};
    if (!filter.empty()) {
        query.emplace_back("filter", filter);
    }
    const auto answer = api.get(api_path({"jobs"}), query);
    if (!answer) {
        context.fail("Error querying job prefix \"{}\": {}", typed, answer.error().message);
        return std::nullopt;
    }
    const Value::List& jobs = Doc(*answer).list();
    std::vector<const Value*> exact;
    for (const Value& job : jobs) {
        if (Doc(job)["ID"].text() == typed) {
            exact.push_back(&job);
        }
    }
    const auto found = [&](const Value& stub, bool by_prefix) -> std::optional<FoundJob> {
        const Doc job(stub);
        FoundJob out{
            .id = job["ID"].text(),
            .namespace_ = job["Namespace"].text_or(job["JobSummary"]["Namespace"].text()),
            .stub = stub,
            .by_prefix = by_prefix
        };
        if (!out.namespace_.empty()) {
            api.use_namespace(out.namespace_);
        }
        return out;
    };
    if (exact.size() == 1) {
        return found(*exact[0], false);
    }
    if (jobs.empty()) {
        context.fail("No job(s) with prefix or ID \"{}\" found", typed);
        return std::nullopt;
    }
    if (jobs.size() == 1 && exact.empty()) {
        return found(jobs[0], true);
    }
    context.fail(
        "Prefix \"{}\" matched multiple jobs\n\n{}",
        typed,
        job_table(context, jobs, api.settings().namespace_ == "*")
    );
    return std::nullopt;
}

std::optional<Value> find_by_id(Context& context, Api& api, IdNoun noun, std::string_view typed) {
    const NounWords name = words(noun);
    if (typed.size() < 2) {
        context.fail("Identifier must contain at least two characters.");
        return std::nullopt;
    }
    // An id is unique without its namespace; the object's own is used afterwards.
    Query query{{"prefix", even_prefix(typed)}};
    if (noun != IdNoun::Node) {
        query.emplace_back(
            "namespace", api.settings().namespace_.empty() ? "*" : api.settings().namespace_
        );
    }
    const auto answer = api.get(api_path({name.list}), query);
    if (!answer) {
        context.fail("Error querying {}: {}", name.singular, answer.error().message);
        return std::nullopt;
    }
    Value::List matches;
    for (const Value& item : Doc(*answer).list()) {
        // The cut digit still counts when we choose among the answers.
        if (Doc(item)["ID"].text().starts_with(typed)) {
            matches.push_back(item);
        }
    }
    if (matches.empty()) {
        context.fail("No {}(s) with prefix or id \"{}\" found", name.singular, typed);
        return std::nullopt;
    }
    if (matches.size() > 1) {
        context.fail(
            "Prefix matched multiple {}\n\n{}", name.plural, matches_table(context, noun, matches)
        );
        return std::nullopt;
    }
    if (const std::string found = Doc(matches[0])["Namespace"].text(); !found.empty()) {
        api.use_namespace(found);
    }
    return std::move(matches[0]);
}

std::optional<Value> find_allocation(Context& context, Api& api, std::string_view typed) {
    const auto stub = find_by_id(context, api, IdNoun::Allocation, typed);
    if (!stub) {
        return std::nullopt;
    }
    auto whole = api.get(api_path({"allocation", Doc(*stub)["ID"].text()}));
    if (!whole) {
        context.fail("Error querying allocation: {}", whole.error().message);
        return std::nullopt;
    }
    return std::move(*whole);
}

std::optional<Value> find_allocation_of_job(
    Context& context, Api& api, std::string_view job, std::string_view group
) {
    const auto found = find_job(context, api, job);
    if (!found) {
        return std::nullopt;
    }
    const auto answer = api.get(api_path({"job", found->id, "allocations"}));
    if (!answer) {
        context.fail("Error querying job allocations: {}", answer.error().message);
        return std::nullopt;
    }
    // A running allocation serves best; else the newest.
    const Value* best = nullptr;
    const auto rank = [](const Value& alloc) {
        const bool running = Doc(alloc)["ClientStatus"].text() == "running";
        return std::pair(running, Doc(alloc)["CreateIndex"].integer());
    };
    for (const Value& alloc : Doc(*answer).list()) {
        if (!group.empty() && Doc(alloc)["TaskGroup"].text() != group) {
            continue;
        }
        if (best == nullptr || rank(*best) < rank(alloc)) {
            best = &alloc;
        }
    }
    if (best == nullptr) {
        if (group.empty()) {
            context.fail("No allocations found for job \"{}\"", found->id);
        } else {
            context.fail("No allocations found for group \"{}\" of job \"{}\"", group, found->id);
        }
        return std::nullopt;
    }
    auto whole = api.get(api_path({"allocation", Doc(*best)["ID"].text()}));
    if (!whole) {
        context.fail("Error querying allocation: {}", whole.error().message);
        return std::nullopt;
    }
    return std::move(*whole);
}

std::optional<Value> find_node(Context& context, Api& api, std::string_view typed) {
    const auto stub = find_by_id(context, api, IdNoun::Node, typed);
    if (!stub) {
        return std::nullopt;
    }
    auto whole = api.get(api_path({"node", Doc(*stub)["ID"].text()}));
    if (!whole) {
        context.fail("Error querying node info: {}", whole.error().message);
        return std::nullopt;
    }
    return std::move(*whole);
}

std::optional<std::string> own_node_id(Context& context, Api& api) {
    const auto answer = api.get(api_path({"agent", "self"}));
    if (!answer) {
        context.fail("Error querying agent info: {}", answer.error().message);
        return std::nullopt;
    }
    std::string id = Doc(*answer)["stats"]["client"]["node_id"].text();
    if (id.empty()) {
        context.fail("Local node not found: the agent does not run a client");
        return std::nullopt;
    }
    return id;
}

Doc job_group(Doc job, std::string_view group) {
    for (const Value& item : job["TaskGroups"].list()) {
        if (Doc(item)["Name"].text() == group) {
            return item;
        }
    }
    return {};
}

std::optional<std::string> choose_task(
    Context& context, const Value& allocation, std::string_view named
) {
    const Doc alloc(allocation);
    const Doc group = job_group(alloc["Job"], alloc["TaskGroup"].text());
    std::vector<std::string> names;
    for (const Value& task : group["Tasks"].list()) {
        names.push_back(Doc(task)["Name"].text());
    }
    const std::string id = short_id(alloc["ID"].text(), context.id_length());
    if (!named.empty()) {
        for (const std::string& name : names) {
            if (name == named) {
                return name;
            }
        }
        const std::string near = nearest(named, names);
        context.fail(
            "Could not find task named \"{}\" in allocation \"{}\"{}; its tasks are: {}",
            named,
            id,
            near.empty() ? "" : fmt::format(" (did you mean \"{}\"?)", near),
            join(names, ", ")
        );
        return std::nullopt;
    }
    if (names.size() == 1) {
        return names[0];
    }
    context.fail(
        "Allocation \"{}\" is running the following tasks:\n  * {}\n\nPlease specify the task.",
        id,
        join(names, "\n  * ")
    );
    return std::nullopt;
}

}  // namespace nl::cli
