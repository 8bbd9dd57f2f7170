// Search by prefix, and fuzzy search: names that hold a text anywhere, whatever their case.
// Source: Nomad HTTP API, 13.
#include "api/access.h"
#include "api/body.h"
#include "api/listing.h"
#include "api/params.h"
#include "api/reading.h"
#include "api/routes.h"
#include "api/status.h"
#include "model/csi.h"
#include "model/host_volume.h"
#include "wire/value_json.h"

#include <array>
#include <map>
#include <tuple>

namespace nl::api {
namespace {

using policy::bit;

constexpr policy::CapabilitySet kScaling = bit(policy::Capability::ListScalingPolicies) |
                                           bit(policy::Capability::ReadScalingPolicy);
constexpr policy::CapabilitySet kCsiVolumes =
    bit(policy::Capability::CsiListVolume) | bit(policy::Capability::CsiReadVolume) |
    bit(policy::Capability::CsiMountVolume) | bit(policy::Capability::ListJobs);
/// Matches of one context at most.
constexpr std::size_t kMatchesMax = 20;
constexpr std::size_t kFuzzyMatchesMax = 100;
/// Objects of a kind that a fuzzy search looks at; more of them show as a truncation.
constexpr std::size_t kFuzzyScanMax = 20'000;
constexpr std::size_t kFuzzyTermMin = 2;

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
        return visible(c, ns, row.namespace_) && id.starts_with(prefix) ? std::optional(id)
                                                                        : std::nullopt;
    };
    const std::string even = even_prefix(prefix);
    if (context_name == "jobs") {
        const auto range = ns == kAllNamespaces ? c.state.jobs() : c.state.jobs(ns, prefix);
        collect(out, range, [&](const auto& row) {
            return visible(c, ns, row.job->namespace_) ? named(row.job->id) : std::nullopt;
        });
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
                return visible(c, ns, alloc.namespace_()) && id.starts_with(prefix)
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
        collect(out, c.state.namespaces(prefix), [&](const auto& row) {
            return caller_of(c).acl->allows_namespace(row.name) ? named(row.name) : std::nullopt;
        });
    } else if (context_name == "node_pools") {
        collect(out, c.state.node_pools(prefix), [&](const auto& row) {
            return may_pool(c, row.name, policy::PoolCapability::Read) ? named(row.name)
                                                                       : std::nullopt;
        });
    } else if (context_name == "vars") {
        const auto range =
            ns == kAllNamespaces ? c.state.variables() : c.state.variables(ns, prefix);
        collect(out, range, [&](const auto& row) {
            return may_variable(
                       c, row.meta.namespace_, row.meta.path, policy::VariableCapability::List
                   )
                       ? named(row.meta.path)
                       : std::nullopt;
        });
    } else if (context_name == "scaling_policy") {
        collect(out, c.state.scaling_policies(), [&](const auto& row) {
            return visible(c, ns, row.namespace_, kScaling) ? named(row.id) : std::nullopt;
        });
    } else if (context_name == "plugins") {
        collect(out, c.state.csi_plugins(prefix), [&](const auto& row) { return named(row.id); });
    } else if (context_name == "volumes") {
        const auto range =
            ns == kAllNamespaces ? c.state.csi_volumes() : c.state.csi_volumes(ns, prefix);
        collect(out, range, [&](const auto& row) {
            return visible(c, ns, row.namespace_, kCsiVolumes) ? named(row.id) : std::nullopt;
        });
    } else if (context_name == "host_volumes") {
        const auto range =
            ns == kAllNamespaces ? c.state.host_volumes() : c.state.host_volumes(ns, prefix);
        collect(out, range, [&](const auto& row) {
            return visible(c, ns, row.namespace_, bit(policy::Capability::HostVolumeRead))
                       ? named(row.id)
                       : std::nullopt;
        });
    }
    return out;
}

bool is_context(std::string_view name) {
    return std::ranges::find(kContexts, name) != kContexts.end();
}

Response bad_context(std::string_view wanted) {
    return text_response(
        500,
        fmt::format(
            "context must be one of [{}] or 'all' for all contexts; got \"{}\"",
            fmt::join(kContexts, " "),
            wanted
        )
    );
}

/// Whether the caller may look in a context at all; what it then finds is checked one by one.
bool may_search(const Context& c, std::string_view name, std::string_view ns) {
    const policy::Acl& acl = *caller_of(c).acl;
    if (name == "jobs" || name == "evals" || name == "deployment" || name == "allocs") {
        return acl.allows(ns, policy::Capability::ReadJob);
    }
    if (name == "nodes") {
        return acl.allows_node(policy::Level::Read);
    }
    if (name == "namespaces") {
        return acl.allows_namespace("*");
    }
    if (name == "node_pools") {
        return acl.allows_some_pool(policy::PoolCapability::Read);
    }
    if (name == "vars") {
        return acl.allows_some_variable(ns, policy::VariableCapability::List) ||
               caller_of(c).workload.has_value();
    }
    if (name == "scaling_policy") {
        return acl.allows(ns, kScaling);
    }
    if (name == "plugins") {
        return acl.allows_plugin(policy::Level::List);
    }
    if (name == "volumes") {
        return acl.allows(ns, kCsiVolumes);
    }
    return name == "host_volumes" && acl.allows(ns, policy::Capability::HostVolumeRead);
}

Outcome search(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const std::string prefix = text_member(*body, "Prefix");
    const std::string wanted = text_member(*body, "Context");
    const bool all = wanted.empty() || wanted == "all";
    if (!all && !is_context(wanted)) {
        return bad_context(wanted);
    }
    if (!all && !may_search(context, wanted, namespace_of(request))) {
        return denied();
    }
    return read_envelope(
        request,
        context,
        [prefix, wanted, all, ns = namespace_of(request)](const Context& c, const ReadOptions&)
            -> Result<Look> {
            Value::Map matches;
            Value::Map truncations;
            for (const std::string_view name : kContexts) {
                if ((all || name == wanted) && may_search(c, name, ns)) {
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

// ---- fuzzy

/// A match, ordered as it is shown: where the text stands in the name, then the shorter name, then
/// by the alphabet.
struct FuzzyMatch {
    std::size_t at = 0;
    std::string id;
    std::vector<std::string> scope;

    auto order() const { return std::tuple(at, id.size(), std::tie(id, scope)); }
};

std::string lowered(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return out;
}

class FuzzySearch {
public:
    FuzzySearch(std::string_view text, std::string ns, const Context& c)
        : text_(lowered(text)), ns_(std::move(ns)), c_(c) {}

    void run(std::string_view context_name) {
        // The kinds known by ids alone are searched by prefix, as in Nomad.
        if (context_name == "evals" || context_name == "deployment" ||
            context_name == "scaling_policy" || context_name == "volumes" ||
            context_name == "host_volumes") {
            matches_[std::string(context_name)];
            truncations_[std::string(context_name)] = false;
            const Matches found = search_in(context_name, text_, ns_, c_);
            const Value list = found.list();
            if (const auto* ids = list.as_list()) {
                for (const Value& id : *ids) {
                    matches_[std::string(context_name)].push_back({0, *id.as_string(), {}});
                }
            }
            truncations_[std::string(context_name)] = found.truncated();
            return;
        }
        truncations_[std::string(context_name)] = false;
        if (context_name == "jobs") {
            jobs();
        } else if (context_name == "allocs") {
            scan(context_name, c_.state.allocs(), [this](const state::AllocView& alloc) {
                if (visible(c_, ns_, alloc.namespace_())) {
                    consider("allocs", alloc.name(), {alloc.namespace_(), alloc.id().str()});
                }
            });
        } else if (context_name == "nodes") {
            scan(context_name, c_.state.nodes(), [this](const model::Node& node) {
                consider("nodes", node.name, {node.id.str()});
            });
        } else if (context_name == "namespaces") {
            scan(context_name, c_.state.namespaces(), [this](const model::Namespace& row) {
                if (caller_of(c_).acl->allows_namespace(row.name)) {
                    consider("namespaces", row.name, {});
                }
            });
        } else if (context_name == "node_pools") {
            scan(context_name, c_.state.node_pools(), [this](const model::NodePool& row) {
                if (may_pool(c_, row.name, policy::PoolCapability::Read)) {
                    consider("node_pools", row.name, {});
                }
            });
        } else if (context_name == "plugins") {
            scan(context_name, c_.state.csi_plugins(), [this](const model::CSIPlugin& row) {
                consider("plugins", row.id, {});
            });
        } else if (context_name == "vars") {
            scan(context_name, c_.state.variables(), [this](const state::VariableRow& row) {
                if ((ns_ == kAllNamespaces || ns_ == row.meta.namespace_) &&
                    may_variable(
                        c_, row.meta.namespace_, row.meta.path, policy::VariableCapability::List
                    )) {
                    consider("vars", row.meta.path, {row.meta.namespace_, row.meta.path});
                }
            });
        }
    }

    Value answer() {
        Value::Map matches;
        Value::Map truncations;
        for (auto& [name, found] : matches_) {
            std::ranges::sort(found, [](const FuzzyMatch& a, const FuzzyMatch& b) {
                return a.order() < b.order();
            });
            Value::List list;
            for (FuzzyMatch& match : found) {
                Value::Map one{{"ID", std::move(match.id)}};
                if (!match.scope.empty()) {
                    one.emplace("Scope", Value::List(match.scope.begin(), match.scope.end()));
                }
                list.emplace_back(std::move(one));
            }
            matches.emplace(name, std::move(list));
        }
        for (const auto& [name, truncated] : truncations_) {
            truncations.emplace(name, truncated);
        }
        return Value::Map{
            {"Matches", std::move(matches)}, {"Truncations", std::move(truncations)}
        };
    }

private:
    template <class Rows, class Each>
    void scan(std::string_view context_name, const Rows& rows, const Each& each) {
        std::size_t seen = 0;
        for (const auto& row : rows) {
            if (++seen > kFuzzyScanMax) {
                truncations_[std::string(context_name)] = true;
                return;
            }
            each(row);
        }
    }

    void consider(
        const std::string& context_name, const std::string& name, std::vector<std::string> scope
    ) {
        const std::size_t at = lowered(name).find(text_);
        if (at == std::string::npos) {
            return;
        }
        auto& found = matches_[context_name];
        if (found.size() == kFuzzyMatchesMax) {
            truncations_[context_name] = true;
            return;
        }
        found.push_back({at, name, std::move(scope)});
    }

    void jobs() {
        const auto rows = ns_ == kAllNamespaces ? c_.state.jobs() : c_.state.jobs(ns_);
        scan("jobs", rows, [this](const state::JobRow& row) {
            if (visible(c_, ns_, row.job->namespace_)) {
                job(*row.job);
            }
        });
    }

    void job(const model::Job& job) {
        const std::string& ns = job.namespace_;
        consider("jobs", job.name, {ns, job.id});
        for (const model::TaskGroup& group : job.task_groups) {
            consider("groups", group.name, {ns, job.id});
            for (const model::Service& service : group.services) {
                consider("services", service.name, {ns, job.id, group.name});
            }
            for (const model::Task& task : group.tasks) {
                consider("tasks", task.name, {ns, job.id, group.name});
                for (const model::Service& service : task.services) {
                    consider("services", service.name, {ns, job.id, group.name, task.name});
                }
                program(task, {ns, job.id, group.name, task.name});
            }
        }
    }

    /// What a task runs, as its driver's block names it.
    void program(const model::Task& task, const std::vector<std::string>& scope) {
        const auto from = [&](const char* key, const char* context_name) {
            const auto found = task.config.find(key);
            const std::string* text =
                found == task.config.end() ? nullptr : found->second.as_string();
            if (text != nullptr) {
                consider(context_name, *text, scope);
            }
        };
        if (task.driver == "docker" || task.driver == "podman") {
            from("image", "images");
        } else if (task.driver == "exec" || task.driver == "raw_exec" || task.driver == "exec2") {
            from("command", "commands");
        } else if (task.driver == "java") {
            from("class", "classes");
            from("jar_path", "commands");
        } else if (task.driver == "qemu") {
            from("image_path", "images");
        }
    }

    std::string text_;
    std::string ns_;
    const Context& c_;
    std::map<std::string, std::vector<FuzzyMatch>> matches_;
    std::map<std::string, bool> truncations_;
};

Outcome fuzzy(const Request& request, const PathValues&, const Context& context) {
    const auto body = body_object(request);
    if (!body) {
        return error_response(body.error());
    }
    const std::string text = text_member(*body, "Text");
    const std::string wanted = text_member(*body, "Context");
    const bool all = wanted.empty() || wanted == "all";
    if (!all && !is_context(wanted)) {
        return bad_context(wanted);
    }
    if (text.size() < kFuzzyTermMin) {
        return text_response(
            500,
            fmt::format(
                "fuzzy search query must be at least {} characters, got {}",
                kFuzzyTermMin,
                text.size()
            )
        );
    }
    if (!all && !may_search(context, wanted, namespace_of(request))) {
        return denied();
    }
    return read_envelope(
        request,
        context,
        [text, wanted, all, ns = namespace_of(request)](const Context& c, const ReadOptions&)
            -> Result<Look> {
            FuzzySearch search(text, ns, c);
            for (const std::string_view name : kContexts) {
                if ((all || name == wanted) && may_search(c, name, ns)) {
                    search.run(name);
                }
            }
            return Look{json_response(wire::write_json(search.answer())), c.state.index(), {}, {}};
        }
    );
}

constexpr Route kRoutes[] = {
    {kPut, "/v1/search", Where::Server, "any", "", "Find objects by the start of an id.", search
    },
    {kPut,
     "/v1/search/fuzzy",
     Where::Server,
     "any",
     "",
     "Find objects by any part of a name.",
     fuzzy},
};

}  // namespace

std::span<const Route> search_routes() {
    return kRoutes;
}

}  // namespace nl::api
