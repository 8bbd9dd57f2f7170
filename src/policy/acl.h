#pragma once
// What the holder of some policies may do: the policies' rules merged into one immutable value that
// answers in a few comparisons. Made once for a set of policies and shared (AclCache). Asking never
// fails; what no rule allows is denied.
//
// Merging: within one name the capabilities of all policies add up, and a `deny` in any of them
// clears the name. A name matches the rule of exactly that name, else the glob that is nearest to
// it (fewest characters stand for the stars); only that one rule counts. Coarse rules: deny, then
// write, list, read. Source: Nomad's ACL policy specification; acl package.

#include "base/time.h"
#include "policy/capability.h"
#include "policy/policy.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nl::policy {

/// The workload an identity speaks for.
struct Workload {
    std::string namespace_;
    std::string job_id;
    std::string group;
    std::string task;
};

class Acl {
public:
    /// May do everything.
    static std::shared_ptr<const Acl> management();
    static std::shared_ptr<const Acl> compile(std::span<const Policy* const> policies);

    bool is_management() const { return management_; }
    /// Whether no rule allows anything at all.
    bool is_empty() const;

    /// Any of the capabilities in the namespace; "*": in some namespace.
    bool allows(std::string_view ns, CapabilitySet any_of) const;
    bool allows(std::string_view ns, Capability capability) const {
        return allows(ns, bit(capability));
    }
    /// Whether the namespace may be known at all. "*": some namespace.
    bool allows_namespace(std::string_view ns) const;

    bool allows_pool(std::string_view pool, PoolCapability capability) const;
    /// In some pool.
    bool allows_some_pool(PoolCapability capability) const;
    bool allows_host_volume(std::string_view volume, HostVolumeMount mount) const;

    /// `workload` holds read and list on the paths made for it, unless a rule denies them.
    bool allows_variable(
        std::string_view ns,
        std::string_view path,
        VariableCapability capability,
        const Workload* workload = nullptr
    ) const;
    /// Some variable of the namespace ("*": of some namespace).
    bool allows_some_variable(std::string_view ns, VariableCapability capability) const;

    bool allows_agent(Level level) const { return covers(agent_, level); }
    bool allows_node(Level level) const { return covers(node_, level); }
    bool allows_operator(Level level) const { return covers(operator_, level); }
    bool allows_operator(OperatorCapability capability) const;
    bool allows_quota(Level level) const { return covers(quota_, level); }
    bool allows_plugin(Level level) const { return covers(plugin_, level); }

private:
    struct Named {
        std::string name;
        CapabilitySet capabilities = 0;
    };
    /// Exact names sorted, and globs.
    struct Rules {
        std::vector<Named> exact;
        std::vector<Named> globs;

        void add(const std::string& name, CapabilitySet capabilities);
        /// Null: no rule is for this name.
        const CapabilitySet* find(std::string_view name) const;
        bool some(CapabilitySet any_of) const;
    };
    bool covers(Level held, Level asked) const { return management_ || held >= asked; }

    bool management_ = false;
    Rules namespaces_;
    Rules pools_;
    Rules host_volumes_;
    /// Names are "namespace\0path".
    Rules variables_;
    Level agent_ = Level::None;
    Level node_ = Level::None;
    Level operator_ = Level::None;
    CapabilitySet operator_capabilities_ = 0;
    Level quota_ = Level::None;
    Level plugin_ = Level::None;
};

/// Whether text fits a pattern in which `*` stands for any characters.
bool glob_matches(std::string_view pattern, std::string_view text);

/// Compiled sets of policies by a key that names each policy and its version. Shared by calls;
/// the owner provides whatever locking its threads need.
class AclCache {
public:
    virtual ~AclCache() = default;
    /// Null: not there.
    virtual std::shared_ptr<const Acl> find(std::string_view key) = 0;
    virtual void put(std::string key, std::shared_ptr<const Acl> acl) = 0;
};

}  // namespace nl::policy
