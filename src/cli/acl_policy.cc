#include "cli/acl.h"
#include "cli/commands.h"

#include <algorithm>

namespace nl::cli {

namespace {

int run_policy_list(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"acl", "policies"}));
    if (!answer) {
        return context.fail("Error listing ACL policies: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Value::List& policies = Doc(*answer).list();
    if (policies.empty()) {
        context.ui().line("No policies found");
        return 0;
    }
    std::vector<Row> rows{{"Name", "Description"}};
    for (const Value& item : policies) {
        rows.push_back({Doc(item)["Name"].text(), Doc(item)["Description"].text()});
    }
    context.ui().line(table(rows));
    return 0;
}

int run_policy_info(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"acl", "policy", context.argument(0)}));
    if (!answer) {
        return context.fail("Error fetching info on ACL policy: {}", answer.error().message);
    }
    const Doc policy(*answer);
    context.ui().line(key_values({
        {"Name", policy["Name"].text()},
        {"Description", policy["Description"].text_or("<none>")},
        {"CreateIndex", fmt::format("{}", policy["CreateIndex"].integer())},
        {"ModifyIndex", fmt::format("{}", policy["ModifyIndex"].integer())},
    }));
    if (const Doc bound = policy["JobACL"]; !bound.is_null()) {
        context.ui().section("Associated Workload");
        context.ui().line(key_values({
            {"Namespace", bound["Namespace"].text_or("<none>")},
            {"JobID", bound["JobID"].text_or("<none>")},
            {"Group", bound["Group"].text_or("<none>")},
            {"Task", bound["Task"].text_or("<none>")},
        }));
    }
    context.ui().section("Rules");
    context.ui().line("");
    context.ui().line(policy["Rules"].text());
    return 0;
}

int run_policy_apply(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string name = context.argument(0);
    const auto rules = context.env().read_file(context.argument(1));
    if (!rules) {
        return context.fail("Failed to open rules file: {}", rules.error().message);
    }
    Value::Map body{
        {"Name", name}, {"Description", context.text("description")}, {"Rules", *rules}
    };
    const std::string job = context.text("job");
    const std::string group = context.text("group");
    const std::string task = context.text("task");
    if (!group.empty() && job.empty()) {
        return context.fail("The group flag requires the job flag.");
    }
    if (!task.empty() && group.empty()) {
        return context.fail("The task flag requires the group flag.");
    }
    if (!job.empty()) {
        const std::string ns = api->settings().namespace_;
        body.emplace(
            "JobACL",
            Value::Map{
                {"Namespace", ns.empty() ? std::string("default") : ns},
                {"JobID", job},
                {"Group", group},
                {"Task", task}
            }
        );
    }
    const auto answer = api->put(api_path({"acl", "policy", name}), {}, Value(std::move(body)));
    if (!answer) {
        return context.fail("Error writing ACL policy: {}", answer.error().message);
    }
    context.line("Successfully wrote \"{}\" ACL policy!", name);
    return 0;
}

int run_policy_delete(Context& context) {
    const std::string name = context.argument(0);
    return delete_object(
        context,
        api_path({"acl", "policy", name}),
        "ACL policy",
        fmt::format("Successfully deleted {} policy!", name)
    );
}

int run_policy_self(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"acl", "policy", "self"}));
    if (!answer) {
        return context.fail("Error fetching WI policies: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    if (const Value::List& policies = Doc(*answer).list(); !policies.empty()) {
        std::vector<Row> rows{{"Name", "Job ID", "Group Name", "Task Name"}};
        for (const Value& item : policies) {
            const Doc bound = Doc(item)["JobACL"];
            rows.push_back(
                {Doc(item)["Name"].text(),
                 bound["JobID"].text(),
                 bound["Group"].text(),
                 bound["Task"].text()}
            );
        }
        context.ui().line(table(rows));
        return 0;
    }
    const auto token = api->get(api_path({"acl", "token", "self"}));
    if (token && Doc(*token)["Type"].text() == "management") {
        context.ui().line("This is a management token. No individual policies are assigned.");
        return 0;
    }
    context.ui().line("No policies found.");
    return 0;
}

// ---- roles

std::string policy_list(Doc role) {
    std::vector<std::string> names;
    for (const Value& link : role["Policies"].list()) {
        names.push_back(Doc(link)["Name"].text());
    }
    return join(names, ",");
}

int show_role(Context& context, const Value& role) {
    if (context.wants_object()) {
        return context.print_object(role);
    }
    const Doc doc(role);
    context.ui().line(key_values({
        {"ID", doc["ID"].text()},
        {"Name", doc["Name"].text()},
        {"Description", doc["Description"].text_or("<none>")},
        {"Policies", policy_list(doc)},
        {"Create Index", fmt::format("{}", doc["CreateIndex"].integer())},
        {"Modify Index", fmt::format("{}", doc["ModifyIndex"].integer())},
    }));
    return 0;
}

Value::List policy_links(const Context& context) {
    Value::List out;
    for (const std::string& name : context.flags().list("policy")) {
        out.emplace_back(Value::Map{{"Name", name}});
    }
    return out;
}

int run_role_list(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"acl", "roles"}));
    if (!answer) {
        return context.fail("Error listing ACL roles: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Value::List& roles = Doc(*answer).list();
    if (roles.empty()) {
        context.ui().line("No ACL roles found");
        return 0;
    }
    std::vector<Row> rows{{"ID", "Name", "Description", "Policies"}};
    for (const Value& item : roles) {
        const Doc role(item);
        rows.push_back(
            {role["ID"].text(),
             role["Name"].text(),
             role["Description"].text(),
             policy_list(role)}
        );
    }
    context.ui().line(table(rows));
    return 0;
}

int run_role_info(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string name = context.argument(0);
    const auto answer = api->get(
        context.on("by-name") ? api_path({"acl", "role", "name", name})
                              : api_path({"acl", "role", name})
    );
    if (!answer) {
        return context.fail("Error reading ACL role: {}", answer.error().message);
    }
    return show_role(context, *answer);
}

int run_role_create(Context& context) {
    if (context.text("name").empty()) {
        return context.fail("ACL role name must be specified using the -name flag");
    }
    if (context.flags().list("policy").empty()) {
        return context.fail("At least one policy name must be specified using the -policy flag");
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->put(
        api_path({"acl", "role"}),
        {},
        Value::Map{
            {"Name", context.text("name")},
            {"Description", context.text("description")},
            {"Policies", policy_links(context)}
        }
    );
    if (!answer) {
        return context.fail("Error creating ACL role: {}", answer.error().message);
    }
    return show_role(context, *answer);
}

int run_role_update(Context& context) {
    const FlagValues& flags = context.flags();
    if (!flags.given("name") && !flags.given("description") && !flags.given("policy")) {
        return context.fail("Please provide at least one flag to update the ACL role");
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string id = context.argument(0);
    const auto present = api->get(api_path({"acl", "role", id}));
    if (!present || present->as_map() == nullptr) {
        return context.fail(
            "Error when retrieving ACL role: {}",
            present ? "no such role" : present.error().message
        );
    }
    Value::Map body = *present->as_map();
    if (context.on("no-merge")) {
        if (!flags.given("name") || !flags.given("policy")) {
            return context.fail("ACL role name and at least one policy are needed with -no-merge");
        }
        body = {{"ID", body.at("ID")}};
    }
    if (flags.given("name")) {
        body.insert_or_assign("Name", context.text("name"));
    }
    if (flags.given("description")) {
        body.insert_or_assign("Description", context.text("description"));
    }
    if (flags.given("policy")) {
        Value::List links = policy_links(context);
        // Merging adds to what the role has.
        for (const Value& link : Doc(*present)["Policies"].list()) {
            if (!context.on("no-merge")) {
                links.push_back(link);
            }
        }
        body.insert_or_assign("Policies", std::move(links));
    }
    const auto answer = api->put(api_path({"acl", "role", id}), {}, Value(std::move(body)));
    if (!answer) {
        return context.fail("Error updating ACL role: {}", answer.error().message);
    }
    return show_role(context, *answer);
}

int run_role_delete(Context& context) {
    const std::string id = context.argument(0);
    return delete_object(
        context,
        api_path({"acl", "role", id}),
        "ACL role",
        fmt::format("ACL role {} successfully deleted", id)
    );
}

}  // namespace

Command acl_policy_list_command() {
    return {
        .path = "acl policy list",
        .usage = "[options]",
        .synopsis = "List ACL policies",
        .help = "Lists the policies: all of them for a management token, its own for another.",
        .flags = object_flags(),
        .arguments = {},
        .run = run_policy_list,
    };
}

Command acl_policy_info_command() {
    return {
        .path = "acl policy info",
        .usage = "[options] <name>",
        .synopsis = "Show an ACL policy",
        .help = "Shows a policy and its rules.",
        .flags = {},
        .arguments = one_argument("name"),
        .run = run_policy_info,
    };
}

Command acl_policy_apply_command() {
    return {
        .path = "acl policy apply",
        .usage = "[options] <name> <path>",
        .synopsis = "Make or change an ACL policy",
        .help = "Writes a policy with the rules of a file, or of standard input with -.\n\n"
                "Example:\n\n  $ nomad-lite acl policy apply -description 'deploy to dev' dev "
                "dev.policy.hcl",
        .flags =
            {
                text_flag("description", "What it is for."),
                text_flag("job", "The policy is for the tasks of this job."),
                text_flag("group", "Only for this group of the job."),
                text_flag("task", "Only for this task of the group."),
            },
        .arguments = {.least = 2, .most = 2, .words = "two arguments: <name> and <path>"},
        .run = run_policy_apply,
    };
}

Command acl_policy_delete_command() {
    return {
        .path = "acl policy delete",
        .usage = "[options] <name>",
        .synopsis = "Delete an ACL policy",
        .help = "Deletes a policy; tokens that name it lose what it allows.",
        .flags = {},
        .arguments = one_argument("name"),
        .run = run_policy_delete,
    };
}

Command acl_policy_self_command() {
    return {
        .path = "acl policy self",
        .usage = "[options]",
        .synopsis = "List the policies of the token in use",
        .help = "Lists the policies of the token or workload identity that this call is made with.",
        .flags = object_flags(),
        .arguments = {},
        .run = run_policy_self,
    };
}

Command acl_role_list_command() {
    return {
        .path = "acl role list",
        .usage = "[options]",
        .synopsis = "List ACL roles",
        .help = "Lists the roles.",
        .flags = object_flags(),
        .arguments = {},
        .run = run_role_list,
    };
}

Command acl_role_info_command() {
    return {
        .path = "acl role info",
        .usage = "[options] <acl_role_id>",
        .synopsis = "Show an ACL role",
        .help = "Shows a role, found by its id or, with -by-name, by its name.",
        .flags = object_flags() +
                 std::vector<FlagSpec>{
                     {.name = "by-name", .kind = FlagKind::Bool, .help = "The argument is a name."}
                 },
        .arguments = one_argument("acl_role_id"),
        .run = run_role_info,
    };
}

Command acl_role_create_command() {
    return {
        .path = "acl role create",
        .usage = "[options]",
        .synopsis = "Make an ACL role",
        .help = "Makes a role: a name for a set of policies.\n\nExample:\n\n"
                "  $ nomad-lite acl role create -name deployer -policy dev -policy staging",
        .flags = object_flags() +
                 std::vector<FlagSpec>{
                     text_flag("name", "The name of the role."),
                     text_flag("description", "What it is for."),
                     list_flag("policy", "A policy of the role; may be given several times."),
                 },
        .arguments = {},
        .run = run_role_create,
    };
}

Command acl_role_update_command() {
    return {
        .path = "acl role update",
        .usage = "[options] <acl_role_id>",
        .synopsis = "Change an ACL role",
        .help = "Changes a role. What is not given stays, unless -no-merge is given.",
        .flags = object_flags() +
                 std::vector<FlagSpec>{
                     text_flag("name", "The name of the role."),
                     text_flag("description", "What it is for."),
                     list_flag("policy", "A policy of the role; may be given several times."),
                     {.name = "no-merge",
                      .kind = FlagKind::Bool,
                      .help = "Replace the whole role by what is given."},
                 },
        .arguments = one_argument("acl_role_id"),
        .run = run_role_update,
    };
}

Command acl_role_delete_command() {
    return {
        .path = "acl role delete",
        .usage = "[options] <acl_role_id>",
        .synopsis = "Delete an ACL role",
        .help = "Deletes a role; tokens that have it lose its policies.",
        .flags = {},
        .arguments = one_argument("acl_role_id"),
        .run = run_role_delete,
    };
}

}  // namespace nl::cli
