#pragma once
// The templates of one task: parsed once, rendered when what they ask for is known, rendered again
// when it changes, with Nomad's change modes and splay. A state machine on the node's events: what
// it needs of the servers are watches, what it needs of the disk is file work. Source: job
// specification, section 5 "template" and section 7.

#include "client/runner_context.h"
#include "expr/template_functions.h"
#include "model/allocation.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nl::client {

/// What a file asked for by a template may have at most.
inline constexpr std::uint64_t kMaxTemplateFileBytes = 8U << 20;
/// How often files that templates read are looked at again.
inline constexpr Duration kTemplateFilePoll = seconds(5);
/// After this long without something a task's events say what is missing.
inline constexpr Duration kTellMissingAfter = seconds(3);

class TemplateRunner {
public:
    /// `known`: content checks of what an earlier run of the agent had rendered, by destination.
    TemplateRunner(
        std::shared_ptr<const model::Allocation> alloc,
        const model::Task& task,
        std::map<std::string, std::uint64_t> known
    );

    /// Parses and renders what can be. Again: goes on; `again` renders all of it anew.
    void begin(RunnerContext& c, const StringMap& env, bool again);
    void on_watch(RunnerContext& c, const server::WatchUpdate& update);
    /// True if the ticket was its own.
    bool on_files(RunnerContext& c, const env::FileDone& done);
    void tick(RunnerContext& c);
    Instant deadline() const;
    /// Lets go of everything it watches.
    void end(RunnerContext& c);

    /// Every template was rendered and written.
    bool ready() const;
    /// "" unless it can never be ready.
    const std::string& error() const { return error_; }
    /// Variables from templates with env = true.
    const StringMap& env() const { return env_; }
    std::map<std::string, std::uint64_t> checks() const;

    struct Script {
        std::string command;
        std::vector<std::string> args;
        Duration timeout;
        bool fail_on_error{};
    };
    struct Change {
        bool restart{};
        std::set<std::string> signals;
        std::vector<Script> scripts;
    };
    /// What the running task is due for, once after each change, when its splay is over.
    std::optional<Change> take_change(Instant now);
    /// A sentence for the task's events, once.
    std::optional<std::string> take_message() { return std::exchange(message_, std::nullopt); }

private:
    struct Item {
        model::Template spec;
        std::string destination;
        std::string source;
        std::optional<expr::Template> parsed;
        bool reading{};
        /// To be rendered, not before `due`.
        bool dirty{true};
        Instant due;
        std::optional<Instant> dirty_since;
        std::optional<std::uint64_t> check;
        /// What an earlier run left; only until the first rendering.
        std::optional<std::uint64_t> before;
        bool rendered{};
        bool writing{};
        std::set<std::string> needs;
    };
    struct Need {
        std::uint64_t watch{};
        /// A file's path, else "".
        std::string path;
        std::optional<Ticket> reading;
        bool known{};
        bool found{};
        std::string error;
        expr::Dyn value;
        std::string raw;
    };

    void parse(RunnerContext& c, Item& item, const std::string& text);
    void render_due(RunnerContext& c);
    void render(RunnerContext& c, Item& item);
    void write(RunnerContext& c, Item& item, std::string content);
    void changed(RunnerContext& c, const std::string& key);
    void read_file(RunnerContext& c, const std::string& path, Need& need);
    Need& need(RunnerContext& c, server::WatchKind kind, const std::string& name);
    void note_change(RunnerContext& c, Item& item);
    void collect_env();

    std::shared_ptr<const model::Allocation> alloc_;
    std::string task_;
    StringMap task_env_;
    StringMap env_;
    std::vector<Item> items_;
    std::map<std::string, Need> needs_;
    std::map<std::uint64_t, std::string> by_watch_;
    std::map<Ticket, std::string> file_reads_;
    std::map<Ticket, std::size_t> source_reads_;
    std::map<Ticket, std::size_t> writes_;
    std::map<std::string, std::string> env_contents_;
    /// While a template runs: what it asked for, and whether something was not there.
    std::set<std::string> asked_;
    std::set<std::string> missing_;
    expr::TemplateWorld world_;
    expr::TemplateFunctions functions_;
    RunnerContext* context_ = nullptr;
    bool begun_ = false;
    bool ended_ = false;
    std::string error_;
    std::optional<std::string> message_;
    Instant tell_missing_{Instant::max()};
    Instant poll_files_{Instant::max()};
    Change change_;
    Instant change_due_{Instant::max()};
};

/// "KEY=value" lines as an env file has them: comments, export, quotes. Errors: InvalidArgument.
Result<StringMap> parse_env_file(std::string_view text);

}  // namespace nl::client
