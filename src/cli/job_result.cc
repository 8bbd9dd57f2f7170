#include "cli/job_result.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

namespace nl::cli {
namespace {

/// A blocking read returns at least this often; then it is asked again.
constexpr const char* kPatience = "60s";
/// What a shell can be told.
constexpr std::int64_t kExitCodeMax = 255;

/// The exit code of a task's last end; nullopt if it never ran.
std::optional<std::int64_t> exit_code(const Doc& task) {
    std::optional<std::int64_t> code;
    for (const Value& item : task["Events"].list()) {
        const Doc event(item);
        if (event["Type"].text() == "Terminated") {
            code = event["ExitCode"].integer();
            if (*code == 0 && event["Signal"].integer() != 0) {
                code = 128 + event["Signal"].integer();
            }
        }
    }
    return code;
}

void print_output(
    Context& context, Api& api, const std::string& alloc, const std::string& task, const char* kind
) {
    const auto text = api.get_text(
        api_path({"client", "fs", "logs", alloc}),
        {{"task", task}, {"type", kind}, {"plain", "true"}}
    );
    if (!text) {
        context.ui().warn(fmt::format(
            "The {} of task {} could not be read: {}", kind, task, text.error().message
        ));
        return;
    }
    if (std::string_view(kind) == "stdout") {
        context.ui().raw(*text);
    } else if (!text->empty()) {
        std::string_view shown = *text;
        if (shown.ends_with('\n')) {
            shown.remove_suffix(1);
        }
        context.ui().error(shown);
    }
}

}  // namespace

int wait_for_result(Context& context, Api& api, const std::string& job_id) {
    std::uint64_t index = 0;
    while (true) {
        const auto answer = api.get(
            api_path({"job", job_id}),
            {{"index", fmt::format("{}", index)}, {"wait", kPatience}}
        );
        if (!answer) {
            return context.fail("Error waiting for job: {}", answer.error().message);
        }
        if (Doc(*answer)["Status"].text() == "dead") {
            break;
        }
        index = api.last_index();
    }
    const auto answer = api.get(api_path({"job", job_id, "allocations"}));
    if (!answer) {
        return context.fail("Error reading allocations: {}", answer.error().message);
    }
    // Of those of one name the last counts: it took the place of the others.
    std::map<std::string, Doc> last;
    for (const Value& item : Doc(*answer).list()) {
        const Doc alloc(item);
        const std::string name = alloc["TaskGroup"].text() + '\0' + alloc["Name"].text();
        const auto known = last.find(name);
        if (known == last.end() ||
            known->second["CreateIndex"].integer() < alloc["CreateIndex"].integer()) {
            last.insert_or_assign(name, alloc);
        }
    }
    std::int64_t worst = last.empty() ? 1 : 0;
    for (const auto& [name, alloc] : last) {
        for (const auto& [task, state] : alloc["TaskStates"].map()) {
            print_output(context, api, alloc["ID"].text(), task, "stdout");
            print_output(context, api, alloc["ID"].text(), task, "stderr");
            const std::int64_t otherwise = Doc(state)["Failed"].flag() ? 1 : 0;
            worst = std::max(worst, std::max(exit_code(Doc(state)).value_or(otherwise), otherwise));
        }
        if (alloc["ClientStatus"].text() != "complete") {
            worst = std::max<std::int64_t>(worst, 1);
        }
    }
    return static_cast<int>(std::min(worst, kExitCodeMax));
}

}  // namespace nl::cli
