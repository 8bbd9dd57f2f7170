// Routes of variables and their locks. Items are encrypted before they are proposed: what is
// replicated and stored is ciphertext. Source: Nomad HTTP API, 8.
#include "api/acl.h"
#include "api/body.h"
#include "api/keyring.h"
#include "api/listing.h"
#include "api/reading.h"
#include "api/status.h"
#include "api/writing.h"
#include "policy/keyring.h"
#include "state/commands/settings.h"
#include "wire/json.h"

#include <algorithm>
#include <charconv>

namespace nl::api {
namespace {

using policy::VariableCapability;
using state::TableId;
namespace commands = state::commands;
using commands::VariableOp;

constexpr std::size_t kPathCharsMax = 128;
constexpr std::size_t kItemsBytesMax = 64U << 10;
constexpr Duration kLockTtlDefault = seconds(15);
constexpr Duration kLockTtlMin = seconds(10);
constexpr Duration kLockTtlMax = hours(24);

/// What is encrypted.
struct Content {
    StringMap items{};
    NL_FIELDS(Content, (1, items))
};

/// Errors of the servers' own checks bear this in Nomad.
Response rpc_refusal(std::string_view text) {
    return coded_response(400, fmt::format("RPC Error:: 400,{}", text));
}

// ---- checks

bool is_path(std::string_view path) {
    return !path.empty() && path.size() <= kPathCharsMax && std::ranges::all_of(path, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '~' || c == '/';
    });
}

/// Why the path may not be written; "" if it may.
std::string path_problem(std::string_view path) {
    if (!is_path(path)) {
        return fmt::format("invalid path \"{}\"", path);
    }
    if (path == "nomad") {
        return "\"nomad\" is a reserved top-level directory path, but you may write variables to "
               "\"nomad/jobs\", \"nomad/job-templates\", or below";
    }
    if (!path.starts_with("nomad/") || path == "nomad/jobs" || path.starts_with("nomad/jobs/")) {
        return "";
    }
    constexpr std::string_view kTemplates = "nomad/job-templates";
    if (path == kTemplates) {
        return "\"nomad/job-templates\" is a reserved directory path, but you may write variables "
               "at the level below it, for example, \"nomad/job-templates/template-name\"";
    }
    if (path.starts_with(kTemplates) && path[kTemplates.size()] == '/') {
        const std::string_view name = path.substr(kTemplates.size() + 1);
        return !name.empty() && name.find('/') == std::string_view::npos
                   ? ""
                   : "\"nomad/job-templates\" is a reserved directory path, but you may write "
                     "variables at the level below it, for example, "
                     "\"nomad/job-templates/template-name\"";
    }
    return "only paths at \"nomad/jobs\" or \"nomad/job-templates\" and below are valid paths "
           "under the top-level \"nomad\" directory";
}

Result<std::optional<Index>> cas_of(const Request& request) {
    const auto text = request.param("cas");
    if (!text) {
        return std::optional<Index>();
    }
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (text->empty() || failed != std::errc() || end != text->data() + text->size()) {
        return fail(
            ErrorCode::InvalidArgument,
            "can not parse cas: strconv.ParseUint: parsing \"{}\": invalid syntax",
            *text
        );
    }
    return std::optional(Index(value));
}

// ---- showing

/// The id of a lock is what its holder proves itself with: readers see that there is one.
void hide_lock(model::VariableMetadata& meta, const Context& c) {
    if (meta.lock && !may_variable(c, meta.namespace_, meta.path, VariableCapability::Write)) {
        meta.lock->id.clear();
    }
}

model::VariableDecrypted with_meta(const model::VariableMetadata& meta) {
    model::VariableDecrypted out;
    out.namespace_ = meta.namespace_;
    out.path = meta.path;
    out.lock = meta.lock;
    out.create_index = meta.create_index;
    out.create_time = meta.create_time;
    out.modify_index = meta.modify_index;
    out.modify_time = meta.modify_time;
    return out;
}

/// Errors: Unavailable while this server does not hold the key; Corruption.
Result<StringMap> decrypted(const state::VariableRow& row, const Context& c) {
    if (row.data.bytes.empty()) {
        return StringMap();
    }
    const policy::RootKey* key = c.keyring ? c.keyring->find(row.key_id) : nullptr;
    if (key == nullptr) {
        return fail(
            ErrorCode::Unavailable,
            "this server does not hold root key {} that the variable is encrypted with",
            row.key_id
        );
    }
    NL_TRY(
        const Bytes plain,
        policy::open_variable(*key, row.meta.namespace_, row.meta.path, row.data.bytes)
    );
    NL_TRY(Content content, decode<Content>(plain));
    return std::move(content.items);
}

// ---- reading

Outcome list(const Request& request, const PathValues&, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request)](const Context& c, const ReadOptions& options) -> Result<Look> {
            std::vector<const state::VariableRow*> rows;
            const bool all = ns == kAllNamespaces;
            for (const auto& row : all ? c.state.variables() : c.state.variables(ns, options.prefix)) {
                if (row.meta.path.starts_with(options.prefix) &&
                    may_variable(c, row.meta.namespace_, row.meta.path, VariableCapability::List)) {
                    rows.push_back(&row);
                }
            }
            NL_TRY(
                Look look,
                list_page(
                    rows,
                    options,
                    TokenKind::Text,
                    [](const auto* row) {
                        return SortToken{0, row->meta.namespace_ + "." + row->meta.path};
                    },
                    [](const auto* row) { return wire::to_value(row->meta); },
                    [&](std::string& out, const auto* row) {
                        model::VariableMetadata meta = row->meta;
                        hide_lock(meta, c);
                        wire::append_json(out, meta);
                    }
                )
            );
            look.index = c.state.table_index(TableId::Variables);
            look.keys = {watch_list(TableId::Variables, ns)};
            return look;
        }
    );
}

Outcome get(const Request& request, const PathValues& path, const Context& context) {
    return read(
        request,
        context,
        [ns = namespace_of(request),
         name = path[0]](const Context& c, const ReadOptions&) -> Result<Look> {
            const state::WatchKey key = state::watch_row(TableId::Variables, ns, name);
            const auto* row = c.state.variable(ns, name);
            if (row == nullptr) {
                Look look = missing(c, TableId::Variables, "variable not found");
                look.keys = {key};
                return look;
            }
            model::VariableMetadata meta = row->meta;
            hide_lock(meta, c);
            model::VariableDecrypted shown = with_meta(meta);
            NL_TRY(shown.items, decrypted(*row, c));
            return Look{
                json_response(wire::to_json(shown)), row->meta.modify_index, {key}, {}
            };
        }
    );
}

Outcome no_path(const Request&, const PathValues&, const Context&) {
    return coded_response(400, "missing variable path");
}

// ---- writing

Response with_index(Response response, Index index) {
    response.headers.push_back({"X-Nomad-Index", fmt::format("{}", index)});
    return response;
}

/// What a check-and-set met instead: the variable as it stands, for its writer to compare.
Response conflict_response(
    const Context& c, const std::string& ns, const std::string& path, const Applied& applied
) {
    if (applied.result.error().message == "attempting to modify locked variable" ||
        applied.result.error().message == "variable doesn't hold a lock") {
        return with_index(coded_response(409, applied.result.error().message), applied.index);
    }
    model::VariableDecrypted shown;
    shown.namespace_ = ns;
    shown.path = path;
    if (const auto* row = c.state.variable(ns, path)) {
        model::VariableMetadata meta = row->meta;
        hide_lock(meta, c);
        shown = with_meta(meta);
        if (may_variable(c, ns, path, VariableCapability::Read)) {
            if (auto items = decrypted(*row, c)) {
                shown.items = std::move(*items);
            }
        }
    }
    return with_index(coded_response(409, wire::to_json(shown)), applied.index);
}

Answering refusing(std::string ns, std::string path) {
    return [ns = std::move(ns),
            path = std::move(path)](const Context& c, const Applied& applied) -> Outcome {
        const Error& error = applied.result.error();
        if (error.code == ErrorCode::Conflict) {
            return conflict_response(c, ns, path, applied);
        }
        return coded_response(http_status(error.code), error.message);
    };
}

/// A write as it came, checked so far as the request alone tells.
struct Write {
    VariableOp op = VariableOp::Set;
    std::string ns;
    std::string path;
    Index check_index;
    Box<model::VariableLock> lock;
    StringMap items;
    bool has_items = false;
};

Outcome propose_write(Write write, const Context& context) {
    commands::VariableApply command;
    command.op = write.op;
    command.check_index = write.check_index;
    state::VariableRow& row = command.variable;
    row.meta.namespace_ = write.ns;
    row.meta.path = write.path;
    row.meta.lock = write.lock;
    if (write.has_items) {
        const policy::RootKey* key = active_key(context);
        if (key == nullptr) {
            return await_key(context, [write = std::move(write)](const Context& c) {
                return propose_write(write, c);
            });
        }
        row.key_id = key->id;
        Content content{std::move(write.items)};
        row.data.bytes = policy::seal_variable(
            *key,
            write.ns,
            write.path,
            encode(content),
            BytesView(context.secret_entropy.data(), context.secret_entropy.size())
        );
        write.items = std::move(content.items);
    }
    auto refused = refusing(write.ns, write.path);
    return propose(
        command,
        context,
        [write = std::move(write)](const Context& c, const Applied& applied) -> Outcome {
            const auto* stored = c.state.variable(write.ns, write.path);
            model::VariableDecrypted shown;
            if (stored != nullptr && stored->meta.modify_index == applied.index) {
                shown = with_meta(stored->meta);
            } else {
                // Someone else has written meanwhile: what is told is this write's own end.
                shown.namespace_ = write.ns;
                shown.path = write.path;
                shown.lock = write.op == VariableOp::LockRelease ? Box<model::VariableLock>()
                                                                 : write.lock;
                shown.modify_index = applied.index;
                shown.create_index = stored != nullptr ? stored->meta.create_index : applied.index;
            }
            if (write.op != VariableOp::LockRelease) {
                if (write.has_items) {
                    shown.items = write.items;
                } else if (stored != nullptr &&
                           may_variable(c, write.ns, write.path, VariableCapability::Read)) {
                    if (auto items = decrypted(*stored, c)) {
                        shown.items = std::move(*items);
                    }
                }
            }
            return with_index(json_response(wire::to_json(shown)), applied.index);
        },
        std::move(refused)
    );
}

Outcome renew(const Write& write, const Context& context) {
    const auto* row = context.state.variable(write.ns, write.path);
    if (row == nullptr) {
        return coded_response(404, "variable doesn't exist");
    }
    if (!row->meta.lock || row->meta.lock->id != write.lock->id) {
        return coded_response(409, "variable doesn't hold a lock");
    }
    return ask_servers(
        {RenewLock{write.ns, write.path, write.lock->id}},
        [meta = row->meta](const Context& c, const ServerAnswered& answered) -> Outcome {
            if (!answered.result) {
                const Error& error = answered.result.error();
                return coded_response(http_status(error.code), error.message);
            }
            return with_index(
                json_response(wire::to_json(meta)), c.state.table_index(TableId::Variables)
            );
        }
    );
}

/// Errors: an answer.
std::expected<Write, Response> read_write(
    const Request& request, const std::string& path, const Value& body
) {
    const auto refuse = [](std::string text) {
        return std::unexpected(coded_response(400, std::move(text)));
    };
    auto given = wire::from_value<model::VariableDecrypted>(body);
    if (!given) {
        return refuse(given.error().message);
    }
    const auto cas = cas_of(request);
    if (!cas) {
        return refuse(cas.error().message);
    }
    Write out;
    out.ns = given->namespace_.empty() ? namespace_of(request) : std::move(given->namespace_);
    out.path = path;
    out.lock = std::move(given->lock);
    out.has_items = member(body, "Items") != nullptr;
    out.items = std::move(given->items);
    const bool acquire = request.param("lock-acquire").has_value();
    const bool release = request.param("lock-release").has_value();
    const bool renewal = request.param("lock-renew").has_value();
    if (acquire + release + renewal > 1) {
        return refuse("multiple lock operations: only one of acquire, release and renew at a time");
    }
    if ((acquire || release || renewal) && *cas) {
        return refuse("CAS can't be used with lock operations");
    }
    if (acquire) {
        out.op = VariableOp::LockAcquire;
    } else if (release) {
        out.op = VariableOp::LockRelease;
    } else if (*cas) {
        out.op = VariableOp::CheckAndSet;
        out.check_index = **cas;
    }
    return out;
}

Outcome put(const Request& request, const PathValues& path, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    auto read = read_write(request, path[0], *body);
    if (!read) {
        return read.error();
    }
    Write& write = *read;
    if (!may_variable(context, write.ns, write.path, VariableCapability::Write)) {
        return denied();
    }
    if (write.ns == kAllNamespaces) {
        return rpc_refusal("can not target wildcard (\"*\")namespace");
    }
    if (std::string problem = path_problem(write.path); !problem.empty()) {
        return with_index(rpc_refusal(problem), Index(0));
    }
    std::size_t size = 0;
    for (const auto& [key, value] : write.items) {
        size += key.size() + value.size();
    }
    if (size > kItemsBytesMax) {
        return rpc_refusal("variables are limited to 64KiB in total size");
    }
    const bool renewal = request.param("lock-renew").has_value();
    if (write.op == VariableOp::LockRelease || renewal) {
        if (!write.lock || write.lock->id.empty()) {
            return coded_response(400, "missing lock information");
        }
        if (write.op == VariableOp::LockRelease && !write.items.empty()) {
            return coded_response(400, "lock release operation doesn't take variable items");
        }
        write.has_items = false;
        return renewal ? renew(write, context) : propose_write(std::move(write), context);
    }
    if (write.op == VariableOp::LockAcquire) {
        model::VariableLock lock = write.lock ? *write.lock : model::VariableLock{};
        lock.ttl = lock.ttl == Duration{} ? kLockTtlDefault : lock.ttl;
        lock.lock_delay = lock.lock_delay == Duration{} ? kLockTtlDefault : lock.lock_delay;
        if (lock.ttl < kLockTtlMin || lock.ttl > kLockTtlMax) {
            return rpc_refusal(fmt::format(
                "the TTL of a variable's lock must be between {} and {}",
                to_string(kLockTtlMin),
                to_string(kLockTtlMax)
            ));
        }
        if (lock.lock_delay < Duration{} || lock.lock_delay > kLockTtlMax) {
            return rpc_refusal(fmt::format(
                "the delay of a variable's lock must be between 0s and {}", to_string(kLockTtlMax)
            ));
        }
        if (lock.id.empty()) {
            lock.id = secret_id(context, 1).str();
        }
        write.lock = std::move(lock);
        write.has_items = write.has_items && !write.items.empty();
        return propose_write(std::move(write), context);
    }
    if (write.lock && (write.lock->ttl != Duration{} || write.lock->lock_delay != Duration{})) {
        return coded_response(400, "variable should not contain lock definition");
    }
    if (!write.has_items || write.items.empty()) {
        return coded_response(400, "variable missing required Items object");
    }
    return propose_write(std::move(write), context);
}

Outcome remove(const Request& request, const PathValues& path, const Context& context) {
    const auto cas = cas_of(request);
    if (!cas) {
        return coded_response(400, cas.error().message);
    }
    commands::VariableApply command;
    command.op = *cas ? VariableOp::CheckAndDelete : VariableOp::Delete;
    command.check_index = cas->value_or(Index(0));
    command.variable.meta.namespace_ = namespace_of(request);
    command.variable.meta.path = path[0];
    if (command.variable.meta.namespace_ == kAllNamespaces) {
        return rpc_refusal("can not target wildcard (\"*\")namespace");
    }
    auto refused = refusing(command.variable.meta.namespace_, path[0]);
    return propose(
        command,
        context,
        [](const Context&, const Applied& applied) -> Outcome {
            return with_index(Response{204, {}, {}}, applied.index);
        },
        std::move(refused)
    );
}

constexpr Route kRoutes[] = {
    {kGet, "/v1/vars", Where::Server, "any", "", "List variables.", list},
    {kGet, "/v1/var/{path*}", Where::Server, "var:read", "", "A variable.", get},
    {kPut,
     "/v1/var/{path*}",
     Where::Leader,
     "written-var:write",
     "cas lock-acquire lock-release lock-renew",
     "Write a variable, or hold its lock.",
     put},
    {kDelete, "/v1/var/{path*}", Where::Leader, "var:destroy", "cas", "Delete a variable.", remove},
    {kAny, "/v1/var/", Where::Local, "any", "", "A variable without a path.", no_path},
};

}  // namespace

std::span<const Route> variable_routes() {
    return kRoutes;
}

}  // namespace nl::api
