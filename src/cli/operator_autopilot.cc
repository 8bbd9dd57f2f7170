// operator autopilot: what the leader does about the servers themselves.

#include "cli/commands.h"
#include "cli/context.h"

#include <array>
#include <charconv>
#include <system_error>

namespace nl::cli {

namespace {

struct Setting {
    const char* flag;
    const char* field;
    enum class Kind : unsigned char { Flag, Number, Span } kind;
    const char* help;
};

constexpr std::array<Setting, 8> kSettings{{
    {"cleanup-dead-servers", "CleanupDeadServers", Setting::Kind::Flag,
     "Remove servers that stay away."},
    {"last-contact-threshold", "LastContactThreshold", Setting::Kind::Span,
     "Silent for longer, a server is not healthy."},
    {"max-trailing-logs", "MaxTrailingLogs", Setting::Kind::Number,
     "Behind by more entries, a server is not healthy."},
    {"min-quorum", "MinQuorum", Setting::Kind::Number,
     "Clean-up leaves at least so many servers."},
    {"server-stabilization-time", "ServerStabilizationTime", Setting::Kind::Span,
     "A new server must be healthy for this long before it votes."},
    {"enable-redundancy-zones", "EnableRedundancyZones", Setting::Kind::Flag,
     "Kept for compatibility."},
    {"disable-upgrade-migration", "DisableUpgradeMigration", Setting::Kind::Flag,
     "Kept for compatibility."},
    {"enable-custom-upgrades", "EnableCustomUpgrades", Setting::Kind::Flag,
     "Kept for compatibility."},
}};

std::string shown(Doc value, Setting::Kind kind) {
    switch (kind) {
        case Setting::Kind::Flag:
            return value.flag() ? "true" : "false";
        case Setting::Kind::Number:
            return fmt::format("{}", value.integer());
        case Setting::Kind::Span:
            return value.text();
    }
    return {};
}

int run_get(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto answer = api->get(api_path({"operator", "autopilot", "configuration"}));
    if (!answer) {
        return context.fail(
            "Error querying Autopilot configuration: {}", answer.error().message
        );
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    for (const Setting& setting : kSettings) {
        context.line("{} = {}", setting.field, shown(Doc(*answer)[setting.field], setting.kind));
    }
    return 0;
}

int run_set(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto present = api->get(api_path({"operator", "autopilot", "configuration"}));
    if (!present) {
        return context.fail(
            "Error querying for Autopilot configuration: {}", present.error().message
        );
    }
    Value::Map config = Doc(*present).map();
    for (const Setting& setting : kSettings) {
        const std::string text = context.text(setting.flag);
        if (text.empty()) {
            continue;
        }
        switch (setting.kind) {
            case Setting::Kind::Flag: {
                const auto value = parse_bool(text);
                if (!value) {
                    return context.usage_error(
                        fmt::format("flag -{} takes true or false, not \"{}\"", setting.flag, text)
                    );
                }
                config.insert_or_assign(setting.field, *value);
                break;
            }
            case Setting::Kind::Number: {
                std::int64_t value = 0;
                const auto [end, error] =
                    std::from_chars(text.data(), text.data() + text.size(), value);
                if (error != std::errc() || end != text.data() + text.size() || value < 0) {
                    return context.usage_error(
                        fmt::format("flag -{} takes a number, not \"{}\"", setting.flag, text)
                    );
                }
                config.insert_or_assign(setting.field, value);
                break;
            }
            case Setting::Kind::Span: {
                if (const auto value = parse_duration(text); !value || value->ns < 0) {
                    return context.usage_error(fmt::format(
                        "flag -{} takes a duration such as 10s, not \"{}\"", setting.flag, text
                    ));
                }
                config.insert_or_assign(setting.field, text);
                break;
            }
        }
    }
    // A change made meanwhile by someone else is not overwritten.
    const auto answer = api->put(
        api_path({"operator", "autopilot", "configuration"}),
        {{"cas", fmt::format("{}", Doc(*present)["ModifyIndex"].integer())}},
        Value(std::move(config))
    );
    if (!answer) {
        return context.fail("Error setting Autopilot configuration: {}", answer.error().message);
    }
    if (!Doc(*answer).flag()) {
        return context.fail(
            "Configuration could not be atomically updated, please try again"
        );
    }
    context.line("Configuration updated!");
    return 0;
}

int run_health(Context& context) {
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const auto reply =
        api->exchange("GET", api_path({"operator", "autopilot", "health"}), {}, "");
    // 429 is the answer of a cluster that is not well.
    if (!reply || (reply->status != 200 && reply->status != 429)) {
        return context.fail(
            "Error querying Autopilot health: {}",
            reply ? fmt::format("Unexpected response code: {} ({})", reply->status, reply->body)
                  : reply.error().message
        );
    }
    const auto answer = parse_json(reply->body);
    if (!answer) {
        return context.fail("Error querying Autopilot health: {}", answer.error().message);
    }
    if (context.wants_object()) {
        return context.print_object(*answer);
    }
    const Doc health(*answer);
    std::string voters;
    for (const Value& voter : health["Voters"].list()) {
        voters += (voters.empty() ? "" : " ") + Doc(voter).text();
    }
    const auto yes_no = [](Doc value) { return std::string(value.flag() ? "true" : "false"); };
    context.ui().line(key_values({
        {"Healthy", yes_no(health["Healthy"])},
        {"FailureTolerance", fmt::format("{}", health["FailureTolerance"].integer())},
        {"Leader", health["Leader"].text()},
        {"Voters", voters},
        {"Servers", fmt::format("{}", health["Servers"].list().size())},
    }));
    std::vector<Row> rows{
        {"ID", "Name", "Address", "SerfStatus", "Version", "Leader", "Voter", "Healthy",
         "LastContact", "LastTerm", "LastIndex", "StableSince"}
    };
    for (const Value& item : health["Servers"].list()) {
        const Doc one(item);
        rows.push_back(
            {one["ID"].text(),
             one["Name"].text(),
             one["Address"].text(),
             one["SerfStatus"].text(),
             one["Version"].text(),
             yes_no(one["Leader"]),
             yes_no(one["Voter"]),
             yes_no(one["Healthy"]),
             one["LastContact"].text(),
             fmt::format("{}", one["LastTerm"].integer()),
             fmt::format("{}", one["LastIndex"].integer()),
             one["StableSince"].text()}
        );
    }
    context.ui().line("");
    context.ui().line(table(rows));
    return 0;
}

}  // namespace

Command operator_autopilot_get_config_command() {
    return {
        .path = "operator autopilot get-config",
        .usage = "[options]",
        .synopsis = "Show how the servers look after themselves",
        .help = "Shows Autopilot's settings.",
        .flags = object_flags(),
        .arguments = {},
        .run = run_get,
    };
}

Command operator_autopilot_set_config_command() {
    std::vector<FlagSpec> flags;
    for (const Setting& setting : kSettings) {
        flags.push_back({.name = setting.flag, .kind = FlagKind::Text, .help = setting.help});
    }
    return {
        .path = "operator autopilot set-config",
        .usage = "[options]",
        .synopsis = "Change how the servers look after themselves",
        .help = "Changes what is given and leaves the rest.",
        .flags = std::move(flags),
        .arguments = {},
        .run = run_set,
    };
}

Command operator_autopilot_health_command() {
    return {
        .path = "operator autopilot health",
        .usage = "[options]",
        .synopsis = "Show how each server is",
        .help = "Shows each server's health as the leader sees it.",
        .flags = object_flags(),
        .arguments = {},
        .run = run_health,
    };
}

}  // namespace nl::cli
