#include "policy/acl.h"

#include "base/check.h"

#include <algorithm>

namespace nl::policy {
namespace {

constexpr char kPathMark = '\0';

std::string variable_name(std::string_view ns, std::string_view path) {
    std::string out(ns);
    out += kPathMark;
    out += path;
    return out;
}

template <class Parse>
CapabilitySet set_of(const std::vector<std::string>& names, Parse parse) {
    CapabilitySet out = 0;
    for (const std::string& name : names) {
        const auto capability = parse(name);
        NL_ASSERT(capability.has_value());
        out |= bit(*capability);
    }
    return out;
}

/// deny, then write, list, read: whichever stands first among both.
struct Coarse {
    bool denied = false;
    Level level = Level::None;

    void merge(std::string_view policy) {
        denied |= policy == "deny";
        level = std::max(
            level,
            policy == "write"  ? Level::Write
            : policy == "read" ? Level::Read
            : policy == "list" ? Level::List
                               : Level::None
        );
    }
    Level result() const { return denied ? Level::None : level; }
};

bool is_own_path(std::string_view path, const Workload& workload) {
    std::string own = "nomad/jobs";
    if (path == own) {
        return true;
    }
    for (const std::string* part : {&workload.job_id, &workload.group, &workload.task}) {
        if (part->empty()) {
            return false;
        }
        own += '/' + *part;
        if (path == own) {
            return true;
        }
    }
    return false;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
    // Greedy with one way back: linear for patterns of one star, bounded by the product otherwise.
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t mark = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') {
        ++p;
    }
    return p == pattern.size();
}

void Acl::Rules::add(const std::string& name, CapabilitySet capabilities) {
    // `deny` has the same place in every enumeration.
    constexpr CapabilitySet kDeny = bit(Capability::Deny);
    std::vector<Named>& rules = name.find('*') == std::string::npos ? exact : globs;
    auto at = std::ranges::lower_bound(rules, name, {}, &Named::name);
    if (at == rules.end() || at->name != name) {
        at = rules.insert(at, Named{name, 0});
    }
    at->capabilities =
        ((at->capabilities | capabilities) & kDeny) != 0 ? kDeny : at->capabilities | capabilities;
}

const CapabilitySet* Acl::Rules::find(std::string_view name) const {
    const auto at = std::ranges::lower_bound(exact, name, {}, [](const Named& rule) {
        return std::string_view(rule.name);
    });
    if (at != exact.end() && at->name == name) {
        return &at->capabilities;
    }
    const Named* nearest = nullptr;
    std::size_t nearest_literal = 0;
    for (const Named& rule : globs) {
        if (!glob_matches(rule.name, name)) {
            continue;
        }
        const auto literal = rule.name.size() -
                             static_cast<std::size_t>(std::ranges::count(rule.name, '*'));
        if (nearest == nullptr || literal >= nearest_literal) {
            nearest = &rule;
            nearest_literal = literal;
        }
    }
    return nearest == nullptr ? nullptr : &nearest->capabilities;
}

bool Acl::Rules::some(CapabilitySet any_of) const {
    const auto grants = [&](const Named& rule) { return (rule.capabilities & any_of) != 0; };
    return std::ranges::any_of(exact, grants) || std::ranges::any_of(globs, grants);
}

std::shared_ptr<const Acl> Acl::management() {
    static const std::shared_ptr<const Acl> kManagement = [] {
        auto acl = std::make_shared<Acl>();
        acl->management_ = true;
        return acl;
    }();
    return kManagement;
}

std::shared_ptr<const Acl> Acl::compile(std::span<const Policy* const> policies) {
    auto acl = std::make_shared<Acl>();
    Coarse agent;
    Coarse node;
    Coarse operators;
    Coarse quota;
    Coarse plugin;
    CapabilitySet operator_capabilities = 0;
    for (const Policy* policy : policies) {
        for (const NamespaceRule& rule : policy->namespaces) {
            acl->namespaces_.add(rule.name, set_of(rule.capabilities, parse_capability));
            for (const PathRule& path : rule.paths.value_or(std::vector<PathRule>())) {
                acl->variables_.add(
                    variable_name(rule.name, path.path),
                    set_of(path.capabilities, parse_variable_capability)
                );
            }
        }
        for (const NamedRule& rule : policy->node_pools) {
            acl->pools_.add(rule.name, set_of(rule.capabilities, parse_pool_capability));
        }
        for (const NamedRule& rule : policy->host_volumes) {
            acl->host_volumes_.add(rule.name, set_of(rule.capabilities, parse_host_volume_mount));
        }
        agent.merge(policy->agent.value_or(""));
        node.merge(policy->node.value_or(""));
        quota.merge(policy->quota.value_or(""));
        plugin.merge(policy->plugin.value_or(""));
        if (policy->operator_) {
            operators.merge(policy->operator_->policy);
            operator_capabilities |=
                set_of(policy->operator_->capabilities, parse_operator_capability);
        }
    }
    acl->agent_ = agent.result();
    acl->node_ = node.result();
    acl->operator_ = operators.result();
    acl->quota_ = quota.result();
    acl->plugin_ = plugin.result();
    acl->operator_capabilities_ =
        operators.denied || has(operator_capabilities, OperatorCapability::Deny)
            ? 0
            : operator_capabilities;
    return acl;
}

bool Acl::is_empty() const {
    constexpr CapabilitySet kAny = ~bit(Capability::Deny);
    return !management_ && !namespaces_.some(kAny) && !pools_.some(kAny) &&
           !host_volumes_.some(kAny) && !variables_.some(kAny) && agent_ == Level::None &&
           node_ == Level::None && operator_ == Level::None && operator_capabilities_ == 0 &&
           quota_ == Level::None && plugin_ == Level::None;
}

bool Acl::allows(std::string_view ns, CapabilitySet any_of) const {
    if (management_) {
        return true;
    }
    any_of &= ~bit(Capability::Deny);
    if (ns == "*") {
        return namespaces_.some(any_of);
    }
    const CapabilitySet* held = namespaces_.find(ns);
    return held != nullptr && (*held & any_of) != 0;
}

bool Acl::allows_namespace(std::string_view ns) const {
    return allows(ns, ~bit(Capability::Deny)) || allows_some_variable(ns, VariableCapability::List);
}

bool Acl::allows_pool(std::string_view pool, PoolCapability capability) const {
    if (management_) {
        return true;
    }
    const CapabilitySet* held = pools_.find(pool);
    return held != nullptr && has(*held, capability);
}

bool Acl::allows_some_pool(PoolCapability capability) const {
    return management_ || pools_.some(bit(capability));
}

bool Acl::allows_host_volume(std::string_view volume, HostVolumeMount mount) const {
    if (management_) {
        return true;
    }
    const CapabilitySet* held = host_volumes_.find(volume);
    return held != nullptr && has(*held, mount);
}

bool Acl::allows_variable(
    std::string_view ns,
    std::string_view path,
    VariableCapability capability,
    const Workload* workload
) const {
    if (management_) {
        return true;
    }
    const CapabilitySet* held = variables_.find(variable_name(ns, path));
    if (held != nullptr && has(*held, VariableCapability::Deny)) {
        return false;
    }
    if (held != nullptr && has(*held, capability)) {
        return true;
    }
    return workload != nullptr && workload->namespace_ == ns &&
           (capability == VariableCapability::Read || capability == VariableCapability::List) &&
           is_own_path(path, *workload);
}

bool Acl::allows_some_variable(std::string_view ns, VariableCapability capability) const {
    if (management_) {
        return true;
    }
    const auto grants = [&](const Named& rule) {
        const std::string_view name = rule.name;
        const std::string_view rule_ns = name.substr(0, name.find(kPathMark));
        return has(rule.capabilities, capability) && (ns == "*" || glob_matches(rule_ns, ns));
    };
    return std::ranges::any_of(variables_.exact, grants) ||
           std::ranges::any_of(variables_.globs, grants);
}

bool Acl::allows_operator(OperatorCapability capability) const {
    return management_ || has(operator_capabilities_, capability);
}

}  // namespace nl::policy
