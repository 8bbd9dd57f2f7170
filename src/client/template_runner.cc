#include "client/template_runner.h"

#include "base/bytes.h"
#include "base/codec.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace nl::client {
namespace {

using expr::Dyn;
using expr::DynList;
using server::WatchKind;

std::uint64_t check_of(const std::string& content) {
    return (static_cast<std::uint64_t>(content.size()) << 32U) | crc32c(content);
}

std::string key_of(WatchKind kind, const std::string& ns, const std::string& name) {
    return fmt::format("{}\n{}\n{}", static_cast<int>(kind), ns, name);
}
std::string file_key(const std::string& path) {
    return "file\n" + path;
}

/// "path@namespace" (what follows a dot is the region) as the command line has it.
std::pair<std::string, std::string> split_path(const std::string& text, const std::string& ns) {
    const std::size_t at = text.rfind('@');
    if (at == std::string::npos) {
        return {text, ns};
    }
    const std::string rest = text.substr(at + 1);
    return {text.substr(0, at), rest.substr(0, rest.find('.'))};
}

Dyn make_variable(const model::VariableDecrypted& variable) {
    auto items = std::make_shared<expr::DynObject>();
    DynList keys;
    DynList values;
    DynList tuples;
    for (const auto& [key, value] : variable.items) {
        auto item = std::make_shared<expr::DynObject>();
        item->is_struct = true;
        item->fields = {{"Key", Dyn(key)}, {"Value", Dyn(value)}};
        item->shown = value;
        items->fields.emplace(key, Dyn(std::move(item)));
        keys.emplace_back(key);
        values.emplace_back(value);
        tuples.push_back(expr::make_struct({{"K", Dyn(key)}, {"V", Dyn(value)}}));
    }
    const Dyn metadata = expr::make_struct(
        {{"Namespace", Dyn(variable.namespace_)},
         {"Path", Dyn(variable.path)},
         {"CreateIndex", Dyn(static_cast<std::int64_t>(variable.create_index.value))},
         {"ModifyIndex", Dyn(static_cast<std::int64_t>(variable.modify_index.value))},
         {"CreateTime", Dyn(variable.create_time)},
         {"ModifyTime", Dyn(variable.modify_time)}}
    );
    const auto constant = [](Dyn value) {
        return [value = std::move(value)](const std::vector<Dyn>&) -> Result<Dyn> { return value; };
    };
    // A key of the variable goes before a method of the same name.
    const auto method = [&](const std::string& name, Dyn value) {
        if (!items->fields.contains(name)) {
            items->methods.emplace(name, constant(std::move(value)));
        }
    };
    method("Keys", keys);
    method("Values", values);
    method("Tuples", tuples);
    method("Metadata", metadata);
    method("Parent", metadata);
    return items;
}

Dyn make_service(const model::ServiceRegistration& row) {
    DynList tags(row.tags.begin(), row.tags.end());
    return expr::make_struct(
        {{"ID", Dyn(row.id)},
         {"Name", Dyn(row.service_name)},
         {"Node", Dyn(row.node_id.str())},
         {"Address", Dyn(row.address)},
         {"Port", Dyn(row.port)},
         {"Datacenter", Dyn(row.datacenter)},
         {"Tags", Dyn(std::move(tags))},
         {"JobID", Dyn(row.job_id)},
         {"AllocID", Dyn(row.alloc_id.str())}}
    );
}

Dyn make_metadata(const model::VariableMetadata& meta) {
    auto out = std::make_shared<expr::DynObject>();
    out->is_struct = true;
    out->shown = meta.path;
    out->fields = {
        {"Namespace", Dyn(meta.namespace_)},
        {"Path", Dyn(meta.path)},
        {"CreateIndex", Dyn(static_cast<std::int64_t>(meta.create_index.value))},
        {"ModifyIndex", Dyn(static_cast<std::int64_t>(meta.modify_index.value))},
        {"CreateTime", Dyn(meta.create_time)},
        {"ModifyTime", Dyn(meta.modify_time)}
    };
    return out;
}

struct Seen {
    bool found{};
    Dyn value;
};

Result<Seen> read_answer(WatchKind kind, const Bytes& data) {
    switch (kind) {
        case WatchKind::Variable: {
            NL_TRY(const auto answer, decode<server::VariableAnswer>(data));
            return Seen{answer.found, answer.found ? make_variable(answer.variable) : Dyn()};
        }
        case WatchKind::VariableList: {
            NL_TRY(const auto answer, decode<server::VariableListAnswer>(data));
            DynList out;
            for (const auto& meta : answer.variables) {
                out.push_back(make_metadata(meta));
            }
            return Seen{true, Dyn(std::move(out))};
        }
        case WatchKind::Service: {
            NL_TRY(const auto answer, decode<server::ServiceAnswer>(data));
            DynList out;
            for (const auto& row : answer.services) {
                out.push_back(make_service(row));
            }
            return Seen{true, Dyn(std::move(out))};
        }
        case WatchKind::Services: {
            NL_TRY(const auto answer, decode<server::ServiceNamesAnswer>(data));
            DynList out;
            for (const auto& stub : answer.services) {
                DynList tags(stub.tags.begin(), stub.tags.end());
                out.push_back(expr::make_struct(
                    {{"Name", Dyn(stub.service_name)}, {"Tags", Dyn(std::move(tags))}}
                ));
            }
            return Seen{true, Dyn(std::move(out))};
        }
        case WatchKind::Alloc:
            break;
    }
    return fail(ErrorCode::Internal, "a template has no such watch");
}

}  // namespace

Result<StringMap> parse_env_file(std::string_view text) {
    StringMap out;
    int line_number = 0;
    while (!text.empty()) {
        ++line_number;
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const auto trim = [](std::string_view& piece) {
            constexpr std::string_view kSpace = " \t\r";
            piece.remove_prefix(std::min(piece.find_first_not_of(kSpace), piece.size()));
            piece = piece.substr(0, piece.find_last_not_of(kSpace) + 1);
        };
        trim(line);
        if (line.empty() || line.front() == '#') {
            continue;
        }
        if (line.starts_with("export ")) {
            line.remove_prefix(7);
            trim(line);
        }
        const std::size_t equals = line.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            return fail(
                ErrorCode::InvalidArgument,
                "line {} of an env template is not KEY=value",
                line_number
            );
        }
        std::string_view key = line.substr(0, equals);
        std::string_view raw = line.substr(equals + 1);
        trim(key);
        trim(raw);
        std::string value;
        if (raw.starts_with('\'')) {
            const std::size_t close = raw.find('\'', 1);
            if (close == std::string_view::npos) {
                return fail(ErrorCode::InvalidArgument, "line {}: unterminated quote", line_number);
            }
            value = raw.substr(1, close - 1);
        } else if (raw.starts_with('"')) {
            std::size_t i = 1;
            for (; i < raw.size() && raw[i] != '"'; ++i) {
                if (raw[i] != '\\' || i + 1 >= raw.size()) {
                    value.push_back(raw[i]);
                    continue;
                }
                const char c = raw[++i];
                value.push_back(c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c);
            }
            if (i >= raw.size()) {
                return fail(ErrorCode::InvalidArgument, "line {}: unterminated quote", line_number);
            }
        } else {
            const std::size_t comment = raw.find(" #");
            raw = raw.substr(0, comment);
            trim(raw);
            value = raw;
        }
        out.insert_or_assign(std::string(key), std::move(value));
    }
    return out;
}

TemplateRunner::TemplateRunner(
    std::shared_ptr<const model::Allocation> alloc,
    const model::Task& task,
    std::map<std::string, std::uint64_t> known
)
    : alloc_(std::move(alloc)), task_(task.name) {
    for (const model::Template& spec : task.templates) {
        Item item;
        item.spec = spec;
        items_.push_back(std::move(item));
    }
    for (Item& item : items_) {
        if (const auto at = known.find(item.spec.dest_path); at != known.end()) {
            item.before = at->second;
        }
    }
}

void TemplateRunner::begin(RunnerContext& c, const StringMap& env, bool again) {
    if (ended_ || !error_.empty()) {
        return;
    }
    task_env_ = env;
    if (begun_) {
        if (again) {
            for (Item& item : items_) {
                item.dirty = item.dirty || !item.spec.once;
                item.due = c.now.instant;
            }
            render_due(c);
        }
        return;
    }
    begun_ = true;
    tell_missing_ = c.now.instant + kTellMissingAfter;
    world_.env = &task_env_;
    world_.denied = {c.settings.template_denied.begin(), c.settings.template_denied.end()};
    world_.entropy = [this] { return context_->rng.next(); };
    world_.variable = [this](const std::string& path) -> expr::TemplateWorld::Maybe<Dyn> {
        Need& n = need(*context_, WatchKind::Variable, path);
        if (!n.known || !n.found) {
            missing_.insert(
                fmt::format("nomad.var.block({}){}", path, n.error.empty() ? "" : ": " + n.error)
            );
            return std::nullopt;
        }
        return n.value;
    };
    world_.variable_exists = [this](const std::string& path) -> expr::TemplateWorld::Maybe<bool> {
        Need& n = need(*context_, WatchKind::Variable, path);
        if (!n.known) {
            missing_.insert(fmt::format("nomad.var.exists({})", path));
            return std::nullopt;
        }
        return n.found;
    };
    const auto rows = [this](
                          WatchKind kind, const std::string& name, const char* shown
                      ) -> expr::TemplateWorld::Maybe<DynList> {
        Need& n = need(*context_, kind, name);
        if (!n.known) {
            missing_.insert(fmt::format("{}({})", shown, name));
            return std::nullopt;
        }
        return n.value.as_list() != nullptr ? *n.value.as_list() : DynList{};
    };
    world_.variable_list = [rows](const std::string& prefix) {
        return rows(WatchKind::VariableList, prefix, "nomad.var.list");
    };
    world_.service = [rows](const std::string& name) {
        return rows(WatchKind::Service, name, "nomad.service");
    };
    world_.services = [rows] { return rows(WatchKind::Services, "", "nomad.services"); };
    world_.file = [this](const std::string& path) -> expr::TemplateWorld::Maybe<std::string> {
        const std::string key = file_key(path);
        asked_.insert(key);
        Need& n = needs_[key];
        if (!n.known) {
            if (!n.reading) {
                read_file(*context_, path, n);
            }
            missing_.insert(fmt::format("file({})", path));
            return std::nullopt;
        }
        if (!n.error.empty()) {
            return fail(ErrorCode::NotFound, "file: {}", n.error);
        }
        return n.raw;
    };
    functions_ = expr::template_functions(world_);
    for (std::size_t i = 0; i < items_.size() && error_.empty(); ++i) {
        Item& item = items_[i];
        item.due = c.now.instant;
        const auto expand = [&](const std::string& text) {
            const Lookup lookup = [this](std::string_view name) -> std::optional<std::string> {
                const auto at = task_env_.find(name);
                return at == task_env_.end() ? std::nullopt : std::optional(at->second);
            };
            return interpolate(std::string_view(text), lookup, Unknown::Keep).value_or(text);
        };
        item.destination = expand(item.spec.dest_path);
        if (!item.spec.embedded_tmpl.empty() || item.spec.source_path.empty()) {
            parse(c, item, item.spec.embedded_tmpl);
            continue;
        }
        item.source = expand(item.spec.source_path);
        item.reading = true;
        const Ticket ticket = c.tickets.issue(alloc_->id);
        source_reads_.emplace(ticket, i);
        c.out.files.push_back(
            {ticket, env::ReadTaskFile{alloc_->id, task_, item.source, kMaxTemplateFileBytes}}
        );
    }
    render_due(c);
}

void TemplateRunner::parse(RunnerContext& c, Item& item, const std::string& text) {
    context_ = &c;
    expr::TemplateOptions options;
    options.name = item.source.empty() ? "(dynamic)" : item.source;
    options.left = item.spec.left_delim;
    options.right = item.spec.right_delim;
    options.error_on_missing_key = item.spec.err_missing_key;
    auto parsed = expr::Template::parse(text, functions_, options);
    if (!parsed) {
        error_ = parsed.error().message;
        return;
    }
    item.parsed = std::move(*parsed);
    item.reading = false;
}

TemplateRunner::Need& TemplateRunner::need(
    RunnerContext& c, WatchKind kind, const std::string& name
) {
    const auto [path, ns] = kind == WatchKind::Services
                                ? std::pair(std::string(), alloc_->namespace_)
                                : split_path(name, alloc_->namespace_);
    const std::string key = key_of(kind, ns, path);
    asked_.insert(key);
    Need& n = needs_[key];
    if (n.watch == 0) {
        server::WatchRequest request;
        request.kind = kind;
        request.namespace_ = ns;
        request.name = path;
        request.alloc_id = alloc_->id;
        request.task = task_;
        n.watch = c.watches.open(std::move(request));
        by_watch_.emplace(n.watch, key);
    }
    return n;
}

void TemplateRunner::read_file(RunnerContext& c, const std::string& path, Need& n) {
    const Ticket ticket = c.tickets.issue(alloc_->id);
    n.path = path;
    n.reading = ticket;
    file_reads_.emplace(ticket, path);
    c.out.files.push_back(
        {ticket, env::ReadTaskFile{alloc_->id, task_, path, kMaxTemplateFileBytes}}
    );
    if (poll_files_ == Instant::max()) {
        poll_files_ = c.now.instant + kTemplateFilePoll;
    }
}

void TemplateRunner::render_due(RunnerContext& c) {
    for (Item& item : items_) {
        if (!error_.empty()) {
            return;
        }
        if (item.parsed && item.dirty && !item.writing && item.due <= c.now.instant) {
            render(c, item);
        }
    }
}

void TemplateRunner::render(RunnerContext& c, Item& item) {
    context_ = &c;
    world_.now = c.now.wall;
    asked_.clear();
    missing_.clear();
    item.dirty = false;
    item.dirty_since.reset();
    auto out = item.parsed->execute(expr::Dyn(), functions_);
    item.needs = asked_;
    if (!missing_.empty()) {
        // Whatever else it says: it does not know enough yet.
        return;
    }
    if (!out) {
        error_ = out.error().message;
        return;
    }
    write(c, item, std::move(*out));
}

void TemplateRunner::write(RunnerContext& c, Item& item, std::string content) {
    const std::uint64_t check = check_of(content);
    const bool same = item.check == check;
    const bool same_as_before = !item.rendered && item.before == check;
    if (item.spec.envvars) {
        auto variables = parse_env_file(content);
        if (!variables) {
            error_ = fmt::format("{}: {}", item.destination, variables.error().message);
            return;
        }
        env_contents_[item.destination] = content;
        collect_env();
    }
    if (same && item.rendered) {
        return;
    }
    const bool changed_under_task = item.rendered || (item.before && !same_as_before);
    item.check = check;
    env::WriteTaskFile work;
    work.alloc = alloc_->id;
    work.task = task_;
    work.path = item.destination;
    work.content = std::move(content);
    unsigned mode = 0644;
    const std::string& perms = item.spec.perms;
    std::from_chars(perms.data(), perms.data() + perms.size(), mode, 8);
    work.mode = mode;
    work.uid = item.spec.uid.value_or(-1);
    work.gid = item.spec.gid.value_or(-1);
    work.replace = true;
    item.writing = true;
    const Ticket ticket = c.tickets.issue(alloc_->id);
    writes_.emplace(ticket, static_cast<std::size_t>(&item - items_.data()));
    c.out.files.push_back({ticket, std::move(work)});
    if (changed_under_task) {
        note_change(c, item);
    }
}

void TemplateRunner::note_change(RunnerContext& c, Item& item) {
    const std::string& mode = item.spec.change_mode;
    if (mode == "noop") {
        return;
    }
    if (mode == "signal") {
        change_.signals.insert(
            item.spec.change_signal.empty() ? "SIGHUP" : item.spec.change_signal
        );
    } else if (mode == "script") {
        if (item.spec.change_script) {
            change_.scripts.push_back(
                {item.spec.change_script->command,
                 item.spec.change_script->args,
                 item.spec.change_script->timeout,
                 item.spec.change_script->fail_on_error}
            );
        }
    } else {
        change_.restart = true;
    }
    const std::int64_t splay = std::max<std::int64_t>(item.spec.splay.ns, 0);
    const Instant due = c.now.instant + Duration{splay > 0 ? c.rng.between(0, splay) : 0};
    change_due_ = change_due_ == Instant::max() ? due : std::max(change_due_, due);
}

void TemplateRunner::collect_env() {
    env_.clear();
    for (const Item& item : items_) {
        if (const auto at = env_contents_.find(item.destination); at != env_contents_.end()) {
            const auto variables = parse_env_file(at->second);
            for (const auto& [key, value] : variables ? *variables : StringMap{}) {
                env_.insert_or_assign(key, value);
            }
        }
    }
}

void TemplateRunner::changed(RunnerContext& c, const std::string& key) {
    for (Item& item : items_) {
        if (!item.needs.contains(key) || (item.spec.once && item.rendered)) {
            continue;
        }
        item.dirty = true;
        item.due = c.now.instant;
        if (item.rendered && item.spec.wait && item.spec.wait->min) {
            // Quiet for `min`, at the latest after `max`.
            item.dirty_since = item.dirty_since.value_or(c.now.instant);
            item.due = c.now.instant + *item.spec.wait->min;
            if (item.spec.wait->max) {
                item.due = std::min(item.due, *item.dirty_since + *item.spec.wait->max);
            }
        }
    }
    render_due(c);
}

void TemplateRunner::on_watch(RunnerContext& c, const server::WatchUpdate& update) {
    const auto at = by_watch_.find(update.watch);
    if (at == by_watch_.end() || ended_) {
        return;
    }
    const std::string key = at->second;
    Need& n = needs_[key];
    n.error = update.message;
    if (update.error == 0) {
        const auto kind = static_cast<WatchKind>(key.front() - '0');
        auto seen = read_answer(kind, update.data);
        if (!seen) {
            n.error = seen.error().message;
            return;
        }
        n.known = true;
        n.found = seen->found;
        n.value = std::move(seen->value);
        n.error.clear();
    }
    changed(c, key);
}

bool TemplateRunner::on_files(RunnerContext& c, const env::FileDone& done) {
    if (const auto at = source_reads_.find(done.ticket); at != source_reads_.end()) {
        Item& item = items_[at->second];
        source_reads_.erase(at);
        if (!done.result) {
            error_ = fmt::format("template source: {}", done.result.error().message);
            return true;
        }
        parse(c, item, done.data);
        render_due(c);
        return true;
    }
    if (const auto at = writes_.find(done.ticket); at != writes_.end()) {
        Item& item = items_[at->second];
        writes_.erase(at);
        item.writing = false;
        if (!done.result) {
            error_ = fmt::format(
                "template destination \"{}\": {}", item.destination, done.result.error().message
            );
            return true;
        }
        item.rendered = true;
        render_due(c);
        return true;
    }
    if (const auto at = file_reads_.find(done.ticket); at != file_reads_.end()) {
        const std::string key = file_key(at->second);
        file_reads_.erase(at);
        Need& n = needs_[key];
        n.reading.reset();
        const std::string error = done.result ? "" : done.result.error().message;
        if (n.known && n.raw == done.data && n.error == error) {
            return true;
        }
        n.known = true;
        n.raw = done.data;
        n.error = error;
        changed(c, key);
        return true;
    }
    return false;
}

void TemplateRunner::tick(RunnerContext& c) {
    if (!begun_ || ended_) {
        return;
    }
    if (c.now.instant >= tell_missing_) {
        tell_missing_ = Instant::max();
        std::string list;
        for (Item& item : items_) {
            if (item.rendered || item.writing || !item.parsed) {
                continue;
            }
            context_ = &c;
            asked_.clear();
            missing_.clear();
            static_cast<void>(item.parsed->execute(expr::Dyn(), functions_));
            for (const std::string& one : missing_) {
                list += (list.empty() ? "" : ", ") + one;
            }
        }
        if (!list.empty()) {
            message_ = "Missing: " + list;
        }
    }
    if (c.now.instant >= poll_files_) {
        poll_files_ = c.now.instant + kTemplateFilePoll;
        for (auto& [key, n] : needs_) {
            if (!n.path.empty() && !n.reading) {
                read_file(c, n.path, n);
            }
        }
    }
    render_due(c);
}

Instant TemplateRunner::deadline() const {
    if (!begun_ || ended_ || !error_.empty()) {
        return Instant::max();
    }
    Instant at = poll_files_;
    if (std::ranges::none_of(items_, [](const Item& item) { return item.writing; })) {
        at = std::min(at, change_due_);
    }
    if (!ready()) {
        at = std::min(at, tell_missing_);
    }
    for (const Item& item : items_) {
        if (item.dirty && item.parsed && !item.writing) {
            at = std::min(at, item.due);
        }
    }
    return at;
}

void TemplateRunner::end(RunnerContext& c) {
    ended_ = true;
    for (const auto& [watch, key] : by_watch_) {
        c.watches.close(watch);
    }
    by_watch_.clear();
    needs_.clear();
}

bool TemplateRunner::ready() const {
    return begun_ && std::ranges::all_of(items_, [](const Item& item) {
               return item.rendered && !item.writing;
           });
}

std::map<std::string, std::uint64_t> TemplateRunner::checks() const {
    std::map<std::string, std::uint64_t> out;
    for (const Item& item : items_) {
        if (item.check) {
            out[item.spec.dest_path] = *item.check;
        } else if (item.before) {
            out[item.spec.dest_path] = *item.before;
        }
    }
    return out;
}

std::optional<TemplateRunner::Change> TemplateRunner::take_change(Instant now) {
    if (change_due_ > now) {
        return std::nullopt;
    }
    // Not before the file is there.
    if (std::ranges::any_of(items_, [](const Item& item) { return item.writing; })) {
        return std::nullopt;
    }
    change_due_ = Instant::max();
    return std::exchange(change_, {});
}

}  // namespace nl::client
