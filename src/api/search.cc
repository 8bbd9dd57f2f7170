// Search by prefix. Source: Nomad HTTP API, 13.
#include "api/body.h"
#include "api/listing.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "wire/value_json.h"

#include <array>

namespace nl::api {
namespace {

/// Matches of one context at most.
constexpr std::size_t kMatchesMax = 20;

constexpr std::array<std::string_view, 12> kContexts{
    "allocs",
    "deployment",
    "evals",
    "host_volumes",
    "jobs",
    "namespaces",
    "node_pools",
    "nodes",
    "plugins",
    "scaling_policy",
    "vars",
    "volumes",
};

class Matches {
public:
    /// False when there are enough.
    bool add(std::string text) {
        if (found_.size() == kMatchesMax) {
            truncated_ = true;
            return false;
        }
        found_.emplace_back(std::move(text));
        return true;
    }
    Value list() const { return found_.empty() ? Value() : Value(found_); }
    bool truncated() const { return truncated_; }

private:
    Value::List found_;
    bool truncated_ = false;
};

/// The prefix of an id, cut to an even number of digits as the tables need it.
std::string even_prefix(std::string_view prefix) {
    std::size_t digits = 0;
    for (const char c : prefix) {
        digits += c == '-' ? 0 : 1;
    }
    if (digits % 2 == 1) {
        prefix.remove_suffix(1);
    }
    return std::string(prefix);
}

template <class Range, class Show>
void collect(Matches& out, const Range& range, const Show& show) {
    for (const auto& row : range) {
        const std::optional<std::string> text = show(row);
        if (text && !out.add(*text)) {
            return;
        }
    }
}

Matches search_in(
    std::string_view context_name,
    const std::string& prefix,
    const std::string& ns,
    const Context& c
) {
    Matches out;
    const auto named = [&](const std::string& text) -> std::optional<std::string> {
        return text.starts_with(prefix) ? std::optional(text) : std::nullopt;
    };
    const auto owned = [&](const auto& row) -> std::optional<std::string> {
        const std::string id = row.id.str();
        return in_namespace(ns, row.namespace_) && id.starts_with(prefix) ? std::optional(id)
                                                                          : std::nullopt;
    };
    const std::string even = even_prefix(prefix);
    if (context_name == "jobs") {
        const auto range = ns == kAllNamespaces ? c.state.jobs() : c.state.jobs(ns, prefix);
        collect(out, range, [&](const auto& row) { return named(row.job->id); });
    } else if (context_name == "evals") {
        collect(out, even.empty() ? c.state.evals() : c.state.evals_with_prefix(even), owned);
    } else if (context_name == "deployment") {
        collect(
            out, even.empty() ? c.state.deployments() : c.state.deployments_with_prefix(even), owned
        );
    } else if (context_name == "allocs") {
        collect(
            out,
            even.empty() ? c.state.allocs() : c.state.allocs_with_prefix(even),
            [&](const state::AllocView& alloc) -> std::optional<std::string> {
                const std::string id = alloc.id().str();
                return in_namespace(ns, alloc.namespace_()) && id.starts_with(prefix)
                           ? std::optional(id)
                           : std::nullopt;
            }
        );
    } else if (context_name == "nodes") {
        collect(
            out,
            even.empty() ? c.state.nodes() : c.state.nodes_with_prefix(even),
            [&](const auto& node) { return named(node.id.str()); }
        );
    } else if (context_name == "namespaces") {
        collect(out, c.state.namespaces(prefix), [&](const auto& row) { return named(row.name); });
    } else if (context_name == "node_pools") {
        collect(out, c.state.node_pools(prefix), [&](const auto& row) { return named(row.name); });
    } else if (context_name == "vars") {
        const auto range =
            ns == kAllNamespaces ? c.state.variables() : c.state.variables(ns, prefix);
        collect(out, range, [&](const auto& row) { return named(row.meta.path); });
    } else if (context_name == "scaling_policy") {
        collect(out, c.state.scaling_policies(), [&](const auto& row) { return named(row.id); });
    }
    return out;
}

Outcome search(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const std::string prefix = text_member(*body, "Prefix");
    const std::string wanted = text_member(*body, "Context");
    const bool all = wanted.empty() || wanted == "all";
    if (!all && std::ranges::find(kContexts, wanted) == kContexts.end()) {
        return text_response(
            500,
            fmt::format(
                "context must be one of [{}] or 'all' for all contexts; got \"{}\"",
                fmt::join(kContexts, " "),
                wanted
            )
        );
    }
    return read_envelope(
        request,
        context,
        [prefix, wanted, all, ns = namespace_of(request)](const Context& c, const ReadOptions&)
            -> Result<Look> {
            Value::Map matches;
            Value::Map truncations;
            for (const std::string_view name : kContexts) {
                if (all || name == wanted) {
                    const Matches found = search_in(name, prefix, ns, c);
                    matches.emplace(name, found.list());
                    truncations.emplace(name, found.truncated());
                }
            }
            const Value answer(
                Value::Map{{"Matches", std::move(matches)}, {"Truncations", std::move(truncations)}}
            );
            return Look{json_response(wire::write_json(answer)), c.state.index(), {}, {}};
        }
    );
}

constexpr Route kRoutes[] = {
    {kPut, "/v1/search", Where::Server, "ns:any", "", "Find objects by the start of an id.", search
    },
};

}  // namespace

std::span<const Route> search_routes() {
    return kRoutes;
}

}  // namespace nl::api
