#include "base/bytes.h"
#include "cli/context.h"
#include "cli/frames.h"
#include "cli/lookup.h"

#include <algorithm>
#include <mutex>
#include <thread>

namespace nl::cli {

namespace {

constexpr std::int64_t kTailLines = 10;
// What a line is taken to be long when counting lines back from the end.
constexpr std::int64_t kBytesPerLine = 120;
// Lines may be longer than that, so what is fetched grows until the lines are there.
constexpr int kMaxWidening = 12;

struct Wish {
    std::string allocation;
    std::string task;
    bool follow{false};
    bool tail{false};
    std::int64_t lines{0};
    std::int64_t bytes{0};
};

Query log_query(const Wish& wish, const char* type, bool follow, std::int64_t from_end) {
    Query query{
        {"task", wish.task},
        {"type", type},
        {"follow", follow ? "true" : "false"},
        {"plain", "false"}
    };
    query.emplace_back("origin", from_end > 0 ? "end" : "start");
    query.emplace_back("offset", fmt::format("{}", from_end));
    return query;
}

// Both outputs may arrive at once, each on its own thread.
class Printer {
public:
    explicit Printer(const Context& context) : context_(context) {}

    void write(std::string_view type, std::string_view bytes) {
        const std::scoped_lock lock(mutex_);
        if (type == "stderr" && !context_.on("stderr")) {
            context_.env().err(bytes);
        } else {
            context_.env().out(bytes);
        }
    }

private:
    const Context& context_;
    std::mutex mutex_;
};

std::size_t start_of_last_lines(std::string_view text, std::int64_t lines) {
    std::size_t at = text.size();
    if (at > 0 && text[at - 1] == '\n') {
        --at;
    }
    for (std::int64_t i = 0; i < lines; ++i) {
        if (at == 0) {
            return 0;
        }
        const std::size_t newline = text.rfind('\n', at - 1);
        if (newline == std::string_view::npos) {
            return 0;
        }
        at = newline;
    }
    return at + 1;
}

// The wanted end of the log.
Result<std::string> read_tail(Api& api, const Wish& wish, const char* type) {
    std::int64_t bytes = wish.bytes > 0 ? wish.bytes : wish.lines * kBytesPerLine;
    for (int round = 0;; ++round) {
        std::string text;
        FrameReader reader([&](const Frame& frame) {
            text += frame.data;
            return true;
        });
        NL_TRY_VOID(api.stream(
            api_path({"client", "fs", "logs", wish.allocation}),
            log_query(wish, type, false, bytes),
            [&](std::string_view part) { return reader.feed(part); }
        ));
        NL_TRY_VOID(reader.status());
        if (wish.bytes > 0) {
            return text;
        }
        const std::size_t start = start_of_last_lines(text, wish.lines);
        const bool whole = static_cast<std::int64_t>(text.size()) < bytes;
        if (start > 0 || whole || round == kMaxWidening) {
            return text.substr(start);
        }
        bytes *= 4;
    }
}

Result<void> print_log(Printer& printer, Api& api, const Wish& wish, const char* type) {
    std::int64_t from_end = 0;
    if (wish.tail) {
        NL_TRY(const std::string text, read_tail(api, wish, type));
        if (!wish.follow) {
            printer.write(type, text);
            return {};
        }
        // Asking once more, from that many bytes before the end and onward, leaves no gap.
        from_end = static_cast<std::int64_t>(text.size());
    }
    FrameReader reader([&](const Frame& frame) {
        printer.write(type, frame.data);
        return true;
    });
    Query query = log_query(wish, type, wish.follow, from_end);
    if (wish.tail) {
        for (auto& [name, value] : query) {
            value = name == "origin" ? "end" : value;
        }
    }
    NL_TRY_VOID(api.stream(
        api_path({"client", "fs", "logs", wish.allocation}),
        query,
        [&](std::string_view part) { return reader.feed(part); }
    ));
    return reader.status();
}

int print_both(Context& context, Api& api, const Wish& wish) {
    Printer printer(context);
    Result<void> out;
    Result<void> err;
    if (wish.follow) {
        const auto second = context.open_api();
        if (second == nullptr) {
            return 1;
        }
        second->use_namespace(api.settings().namespace_);
        std::thread errors([&] { err = print_log(printer, *second, wish, "stderr"); });
        out = print_log(printer, api, wish, "stdout");
        errors.join();
    } else {
        out = print_log(printer, api, wish, "stdout");
        err = print_log(printer, api, wish, "stderr");
    }
    for (const auto* result : {&out, &err}) {
        if (!*result) {
            return context.fail("Error reading logs: {}", result->error().message);
        }
    }
    return 0;
}

int run(Context& context) {
    if (context.on("stderr") && context.on("stdout")) {
        return context.usage_error("Both -stdout and -stderr were given; leave both out to see both"
        );
    }
    const bool counted = context.flags().given("n") || context.flags().given("c");
    if (counted && !context.on("tail")) {
        return context.usage_error("Flags -n and -c count from the end and need -tail");
    }
    Api* api = context.api();
    if (api == nullptr) {
        return 1;
    }
    const std::string typed = context.argument(0);
    const auto alloc = context.on("job")
                           ? find_allocation_of_job(context, *api, typed, context.text("group"))
                           : find_allocation(context, *api, typed);
    if (!alloc) {
        return 1;
    }
    const std::string named =
        context.text("task").empty() ? context.argument(1) : context.text("task");
    const auto task = choose_task(context, *alloc, named);
    if (!task) {
        return 1;
    }
    Wish wish{.allocation = Doc(*alloc)["ID"].text(), .task = *task};
    wish.follow = context.on("f");
    wish.tail = context.on("tail");
    if (context.flags().given("c")) {
        wish.bytes = std::max<std::int64_t>(context.flags().integer("c"), 0);
    } else {
        wish.lines = context.flags().given("n") ? context.flags().integer("n") : kTailLines;
    }
    const bool chosen = context.on("stderr") || context.on("stdout");
    if (!chosen && (wish.follow || wish.tail)) {
        return print_both(context, *api, wish);
    }
    const char* type = context.on("stderr") ? "stderr" : "stdout";
    Printer printer(context);
    const auto printed = print_log(printer, *api, wish, type);
    if (!printed) {
        return context.fail("Error reading {}: {}", type, printed.error().message);
    }
    return 0;
}

}  // namespace

Command alloc_logs_command() {
    return {
        .path = "alloc logs",
        .usage = "[options] <allocation> [<task>]",
        .synopsis = "Print a task's output",
        .help =
            "Prints what a task wrote. The task may be left out when there is only one. With -f it "
            "goes on\n"
            "until the task ends or Ctrl-C; then, and with -tail, both outputs are shown unless "
            "one is\n"
            "chosen, standard error on standard error.\n\n"
            "Examples:\n\n"
            "  $ nomad-lite alloc logs 5a1c\n"
            "  $ nomad-lite alloc logs -f -stderr 5a1c web\n"
            "  $ nomad-lite alloc logs -tail -n 50 -job web",
        .flags =
            {
                {.name = "f", .kind = FlagKind::Bool, .help = "Go on as more is written."},
                {.name = "stderr", .kind = FlagKind::Bool, .help = "Standard error only."},
                {.name = "stdout", .kind = FlagKind::Bool, .help = "Standard output only."},
                {.name = "tail",
                 .kind = FlagKind::Bool,
                 .help = "Only the end: 10 lines, or what -n or -c say."},
                {.name = "n", .kind = FlagKind::Integer, .help = "With -tail: how many lines."},
                {.name = "c", .kind = FlagKind::Integer, .help = "With -tail: how many bytes."},
                {.name = "task", .kind = FlagKind::Text, .help = "The task."},
                {.name = "job",
                 .kind = FlagKind::Bool,
                 .help = "The argument is a job; one of its allocations is taken."},
                {.name = "group",
                 .kind = FlagKind::Text,
                 .help = "With -job: an allocation of this group."},
                {.name = "verbose", .kind = FlagKind::Bool, .help = "Show whole ids."},
            },
        .arguments =
            {.least = 1, .most = 2, .words = "one or two arguments: <allocation> [<task>]"},
        .run = run,
        .aliases = {"logs"},
    };
}

}  // namespace nl::cli
