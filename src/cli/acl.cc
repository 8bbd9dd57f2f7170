#include "cli/acl.h"

#include "base/time.h"

namespace nl::cli {

std::string go_time(Doc value) {
    const WallTime time = read_time(value);
    if (time.is_zero()) {
        return "<none>";
    }
    std::string text = to_rfc3339(time);
    if (const std::size_t t = text.find('T'); t != std::string::npos) {
        text[t] = ' ';
    }
    if (text.ends_with('Z')) {
        text.pop_back();
    }
    return text + " +0000 UTC";
}

std::string go_list(Doc list) {
    return "[" + join(texts(list.list()), " ") + "]";
}

void show_token(const Context& context, Doc token) {
    Pairs pairs{
        {"Accessor ID", token["AccessorID"].text()},
        {"Secret ID", token["SecretID"].text()},
        {"Name", token["Name"].text_or("<none>")},
        {"Type", token["Type"].text()},
        {"Global", token["Global"].flag() ? "true" : "false"},
        {"Create Time", go_time(token["CreateTime"])},
        {"Expiry Time", go_time(token["ExpirationTime"])},
        {"Create Index", fmt::format("{}", token["CreateIndex"].integer())},
        {"Modify Index", fmt::format("{}", token["ModifyIndex"].integer())},
    };
    if (token["Type"].text() == "management") {
        pairs.emplace_back("Policies", "n/a");
        pairs.emplace_back("Roles", "n/a");
        context.ui().line(key_values(pairs));
        return;
    }
    pairs.emplace_back("Policies", go_list(token["Policies"]));
    context.ui().line(key_values(pairs));
    context.ui().section("Roles");
    if (token["Roles"].list().empty()) {
        context.ui().line("<none>");
        return;
    }
    std::vector<Row> rows{{"ID", "Name"}};
    for (const Value& role : token["Roles"].list()) {
        rows.push_back({Doc(role)["ID"].text(), Doc(role)["Name"].text()});
    }
    context.ui().line(table(rows));
}

ArgumentRule one_argument(std::string_view name) {
    return {.least = 1, .most = 1, .words = fmt::format("one argument: <{}>", name)};
}

FlagSpec text_flag(std::string name, std::string help) {
    return {.name = std::move(name), .kind = FlagKind::Text, .help = std::move(help)};
}

FlagSpec list_flag(std::string name, std::string help) {
    return {.name = std::move(name), .kind = FlagKind::List, .help = std::move(help)};
}

int delete_object(
    Context& context, const std::string& path, std::string_view noun, const std::string& done
) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    if (const auto answer = api->remove(path); !answer) {
        return context.fail("Error deleting {}: {}", noun, answer.error().message);
    }
    context.ui().line(done);
    return 0;
}

}  // namespace nl::cli
