#include "policy/policy.h"

#include "hcl/body.h"
#include "policy/capability.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <initializer_list>
#include <set>

namespace nl::policy {
namespace {

/// One policy being read: the first mistake ends it.
class Reader {
public:
    explicit Reader(std::string_view rules) : rules_(rules) {}

    Result<Policy> read();

private:
    struct Entry {
        std::optional<std::string> policy;
        std::optional<std::vector<std::string>> capabilities;
        std::vector<hcl::BodyBlock> blocks;
    };

    hcl::BodyContent content(
        const hcl::BodyView& body, const std::vector<hcl::BlockShape>& shapes
    ) {
        return body.read(shapes, context_, diagnostics_, made_);
    }
    Result<std::string> text_of(const hcl::BodyAttribute& attribute, std::string_view where);
    Result<std::vector<std::string>> list_of(
        const hcl::BodyAttribute& attribute, std::string_view where
    );
    Result<Entry> entry(
        const hcl::BodyBlock& block,
        std::string_view where,
        bool capabilities,
        const std::vector<hcl::BlockShape>& shapes = {}
    );
    Result<std::string> label_of(const hcl::BodyBlock& block);
    Result<void> read_namespace(const hcl::BodyBlock& block);
    Result<std::vector<PathRule>> read_paths(const hcl::BodyBlock& block, const std::string& ns);
    Result<void> read_named(const hcl::BodyBlock& block);
    Result<void> read_level(const hcl::BodyBlock& block);
    Result<void> read_operator(const hcl::BodyBlock& block);
    Result<void> check_diagnostics() const;

    std::string_view rules_;
    hcl::SourceNames names_;
    hcl::Diagnostics diagnostics_;
    std::size_t made_ = 0;
    std::size_t steps_ = 0;
    hcl::EvalContext context_;
    Policy policy_;
};

std::string quoted_list(const std::vector<std::string>& items) {
    if (items.empty()) {
        return "[]string(nil)";
    }
    std::string out = "[]string{";
    for (std::size_t i = 0; i < items.size(); ++i) {
        out += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", items[i]);
    }
    return out + "}";
}

/// As Go prints the rule with %#v, which is how Nomad names the offending one.
std::string go_text(const NamespaceRule& rule) {
    return fmt::format(
        "&acl.NamespacePolicy{{Name:\"{}\", Policy:\"{}\", Capabilities:{}, "
        "Variables:(*acl.VariablesPolicy)({})}}",
        rule.name,
        rule.policy,
        quoted_list(rule.capabilities),
        rule.paths ? "0x1" : "nil"
    );
}
std::string go_text(const NamedRule& rule) {
    return fmt::format(
        "&acl.HostVolumePolicy{{Name:\"{}\", Policy:\"{}\", Capabilities:{}}}",
        rule.name,
        rule.policy,
        quoted_list(rule.capabilities)
    );
}

/// ^[a-zA-Z0-9-*]{1,128}$ with `more`.
bool is_glob_name(std::string_view name, std::string_view more = "") {
    constexpr std::size_t kCharsMax = 128;
    return !name.empty() && name.size() <= kCharsMax && std::ranges::all_of(name, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '*' || more.find(c) != std::string_view::npos;
    });
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
    return std::ranges::find(words, text) != words.end();
}

/// Adds what is not there yet.
void extend(std::vector<std::string>& capabilities, const std::vector<std::string_view>& more) {
    capabilities.insert(capabilities.end(), more.begin(), more.end());
}

Result<std::string> Reader::text_of(
    const hcl::BodyAttribute& attribute, std::string_view where
) {
    const hcl::Value value = attribute.evaluate(context_, diagnostics_);
    NL_TRY_VOID(check_diagnostics());
    if (value.kind() != hcl::Kind::String || value.is_null() || value.is_unknown()) {
        return fail(
            ErrorCode::InvalidArgument,
            "Failed to parse ACL Policy: {} of {} must be a string",
            attribute.name,
            where
        );
    }
    return std::string(value.as_string());
}

Result<std::vector<std::string>> Reader::list_of(
    const hcl::BodyAttribute& attribute, std::string_view where
) {
    const hcl::Value value = attribute.evaluate(context_, diagnostics_);
    NL_TRY_VOID(check_diagnostics());
    std::vector<std::string> out;
    const bool list = value.kind() == hcl::Kind::Tuple || value.kind() == hcl::Kind::List;
    if (!value.is_null() && !value.is_unknown()) {
        if (list) {
            for (const hcl::Value& item : value.items()) {
                if (item.kind() == hcl::Kind::String && !item.is_null() && !item.is_unknown()) {
                    out.emplace_back(item.as_string());
                    continue;
                }
                return fail(
                    ErrorCode::InvalidArgument,
                    "Failed to parse ACL Policy: {} of {} must be a list of strings",
                    attribute.name,
                    where
                );
            }
            return out;
        }
        if (value.kind() == hcl::Kind::String) {
            out.emplace_back(value.as_string());
            return out;
        }
    }
    return fail(
        ErrorCode::InvalidArgument,
        "Failed to parse ACL Policy: {} of {} must be a list of strings",
        attribute.name,
        where
    );
}

Result<Reader::Entry> Reader::entry(
    const hcl::BodyBlock& block,
    std::string_view where,
    bool capabilities,
    const std::vector<hcl::BlockShape>& shapes
) {
    Entry out;
    hcl::BodyContent inside = content(block.body, shapes);
    NL_TRY_VOID(check_diagnostics());
    std::set<std::string, std::less<>> seen;
    for (const hcl::BodyAttribute& attribute : inside.attributes) {
        if (!seen.insert(attribute.name).second) {
            return fail(
                ErrorCode::InvalidArgument,
                "Failed to parse ACL Policy: {} says {} twice",
                where,
                attribute.name
            );
        }
        if (attribute.name == "policy") {
            NL_TRY(out.policy, text_of(attribute, where));
        } else if (attribute.name == "capabilities" && capabilities) {
            NL_TRY(out.capabilities, list_of(attribute, where));
        } else {
            return fail(
                ErrorCode::InvalidArgument,
                "Failed to parse ACL Policy: invalid key \"{}\" in {}",
                attribute.name,
                where
            );
        }
    }
    for (hcl::BodyBlock& inner : inside.blocks) {
        if (std::ranges::find(shapes, inner.type, &hcl::BlockShape::type) == shapes.end()) {
            return fail(
                ErrorCode::InvalidArgument,
                "Failed to parse ACL Policy: invalid block \"{}\" in {}",
                inner.type,
                where
            );
        }
        out.blocks.push_back(std::move(inner));
    }
    return out;
}

Result<std::string> Reader::label_of(const hcl::BodyBlock& block) {
    if (block.labels.size() != 1 || block.labels[0].empty()) {
        return fail(
            ErrorCode::InvalidArgument,
            "Failed to parse ACL Policy: a {} block needs exactly one label, the name it is for",
            block.type
        );
    }
    return block.labels[0];
}

Result<std::vector<PathRule>> Reader::read_paths(
    const hcl::BodyBlock& block, const std::string& ns
) {
    std::vector<PathRule> out;
    NL_TRY(const Entry inside, entry(block, "variables", false, {{"path", 1}}));
    if (inside.policy) {
        return fail(
            ErrorCode::InvalidArgument,
            "Failed to parse ACL Policy: invalid key \"policy\" in variables"
        );
    }
    for (const hcl::BodyBlock& path : inside.blocks) {
        PathRule rule;
        if (path.labels.size() != 1 || path.labels[0].empty()) {
            return fail(
                ErrorCode::InvalidArgument, "Invalid missing variable path in namespace {}", ns
            );
        }
        rule.path = path.labels[0];
        if (rule.path.starts_with('/')) {
            return fail(
                ErrorCode::InvalidArgument,
                "Invalid variable path \"{}\" in namespace {}: cannot start with a leading '/'",
                rule.path,
                ns
            );
        }
        NL_TRY(const Entry given, entry(path, "path \"" + rule.path + "\"", true));
        if (given.policy) {
            return fail(
                ErrorCode::InvalidArgument,
                "Failed to parse ACL Policy: invalid key \"policy\" in path \"{}\"",
                rule.path
            );
        }
        rule.capabilities = given.capabilities.value_or(std::vector<std::string>());
        if (rule.capabilities.empty()) {
            return fail(
                ErrorCode::InvalidArgument,
                "Invalid variable path \"{}\" in namespace {}: no capabilities",
                rule.path,
                ns
            );
        }
        for (const std::string& capability : rule.capabilities) {
            if (!parse_variable_capability(capability)) {
                return fail(
                    ErrorCode::InvalidArgument,
                    "Invalid variable capability '{}' in namespace {}",
                    capability,
                    ns
                );
            }
        }
        const auto says = [&](std::string_view word) {
            return std::ranges::find(rule.capabilities, word) != rule.capabilities.end();
        };
        if (says("deny")) {
            rule.capabilities = {"deny"};
        } else if (says("read") && !says("list")) {
            rule.capabilities.emplace_back("list");
        }
        out.push_back(std::move(rule));
    }
    return out;
}

Result<void> Reader::read_namespace(const hcl::BodyBlock& block) {
    NamespaceRule rule;
    NL_TRY(rule.name, label_of(block));
    NL_TRY(
        const Entry given, entry(block, "namespace \"" + rule.name + "\"", true, {{"variables", 0}})
    );
    rule.policy = given.policy.value_or("");
    rule.capabilities = given.capabilities.value_or(std::vector<std::string>());
    if (!given.blocks.empty()) {
        rule.paths.emplace();
        for (const hcl::BodyBlock& variables : given.blocks) {
            NL_TRY(std::vector<PathRule> paths, read_paths(variables, rule.name));
            std::ranges::move(paths, std::back_inserter(*rule.paths));
        }
    }
    if (!is_glob_name(rule.name)) {
        return fail(ErrorCode::InvalidArgument, "Invalid namespace name: {}", go_text(rule));
    }
    const auto expanded = namespace_policy(rule.policy);
    if (!rule.policy.empty() && expanded.empty()) {
        return fail(ErrorCode::InvalidArgument, "Invalid namespace policy: {}", go_text(rule));
    }
    for (const std::string& capability : rule.capabilities) {
        if (!parse_capability(capability)) {
            return fail(
                ErrorCode::InvalidArgument,
                "Invalid namespace capability '{}': {}",
                capability,
                go_text(rule)
            );
        }
    }
    extend(rule.capabilities, expanded);
    const auto adds = [&](std::string_view word, std::initializer_list<std::string_view> more) {
        if (std::ranges::find(rule.capabilities, word) != rule.capabilities.end()) {
            extend(rule.capabilities, more);
        }
    };
    adds(
        "host-volume-write",
        {"host-volume-register", "host-volume-create", "host-volume-delete", "host-volume-read"}
    );
    adds("host-volume-register", {"host-volume-create", "host-volume-read"});
    adds("host-volume-create", {"host-volume-read"});
    // Each once, where it stood first.
    std::vector<std::string> once;
    for (std::string& capability : rule.capabilities) {
        if (std::ranges::find(once, capability) == once.end()) {
            once.push_back(std::move(capability));
        }
    }
    rule.capabilities = std::move(once);
    policy_.namespaces.push_back(std::move(rule));
    return {};
}

Result<void> Reader::read_named(const hcl::BodyBlock& block) {
    NamedRule rule;
    NL_TRY(rule.name, label_of(block));
    NL_TRY(const Entry given, entry(block, block.type + " \"" + rule.name + "\"", true));
    rule.policy = given.policy.value_or("");
    rule.capabilities = given.capabilities.value_or(std::vector<std::string>());
    const bool pool = block.type == "node_pool";
    if (!is_glob_name(rule.name, pool ? "_" : "")) {
        return pool ? fail(ErrorCode::InvalidArgument, "Invalid node pool name '{}'", rule.name)
                    : fail(
                          ErrorCode::InvalidArgument,
                          "Invalid host volume name: {}",
                          go_text(rule)
                      );
    }
    const auto expanded = pool ? pool_policy(rule.policy) : host_volume_policy(rule.policy);
    if (!rule.policy.empty() && expanded.empty()) {
        return pool ? fail(
                          ErrorCode::InvalidArgument,
                          "Invalid node pool policy '{}' for '{}'",
                          rule.policy,
                          rule.name
                      )
                    : fail(
                          ErrorCode::InvalidArgument,
                          "Invalid host volume policy: {}",
                          go_text(rule)
                      );
    }
    for (const std::string& capability : rule.capabilities) {
        if (pool && !parse_pool_capability(capability)) {
            return fail(
                ErrorCode::InvalidArgument,
                "Invalid node pool capability '{}' for '{}'",
                capability,
                rule.name
            );
        }
        if (!pool && !parse_host_volume_mount(capability)) {
            return fail(
                ErrorCode::InvalidArgument,
                "Invalid host volume capability '{}': {}",
                capability,
                go_text(rule)
            );
        }
    }
    extend(rule.capabilities, expanded);
    (pool ? policy_.node_pools : policy_.host_volumes).push_back(std::move(rule));
    return {};
}

Result<void> Reader::read_operator(const hcl::BodyBlock& block) {
    if (policy_.operator_) {
        return fail(
            ErrorCode::InvalidArgument, "Failed to parse ACL Policy: operator stands twice"
        );
    }
    NL_TRY(const Entry given, entry(block, "operator", true));
    OperatorRule rule{
        given.policy.value_or(""), given.capabilities.value_or(std::vector<std::string>())
    };
    const auto expanded = operator_policy(rule.policy);
    bool valid = rule.policy.empty() ? given.capabilities.has_value() : !expanded.empty();
    for (const std::string& capability : rule.capabilities) {
        valid = valid && parse_operator_capability(capability);
    }
    if (!valid) {
        return fail(
            ErrorCode::InvalidArgument,
            "Invalid operator policy: &acl.OperatorPolicy{{Policy:\"{}\", Capabilities:{}}}",
            rule.policy,
            quoted_list(rule.capabilities)
        );
    }
    extend(rule.capabilities, expanded);
    policy_.operator_ = std::move(rule);
    return {};
}

Result<void> Reader::read_level(const hcl::BodyBlock& block) {
    std::optional<std::string>& held = block.type == "agent"    ? policy_.agent
                                       : block.type == "node"   ? policy_.node
                                       : block.type == "quota"  ? policy_.quota
                                       : block.type == "plugin" ? policy_.plugin
                                                                : policy_.sentinel;
    if (held) {
        return fail(
            ErrorCode::InvalidArgument,
            "Failed to parse ACL Policy: {} stands twice",
            block.type
        );
    }
    if (!block.labels.empty()) {
        return fail(
            ErrorCode::InvalidArgument,
            "Failed to parse ACL Policy: a {} block takes no label",
            block.type
        );
    }
    NL_TRY(const Entry given, entry(block, block.type, false));
    const std::string level = given.policy.value_or("");
    const bool valid = is_one_of(level, {"deny", "read", "write"}) ||
                       (block.type == "plugin" && level == "list");
    if (!valid || (block.type == "plugin" && level == "write")) {
        std::string name = block.type;
        name[0] = static_cast<char>(name[0] - 'a' + 'A');
        return fail(
            ErrorCode::InvalidArgument,
            "Invalid {} policy: &acl.{}Policy{{Policy:\"{}\"}}",
            block.type,
            name,
            level
        );
    }
    held = level;
    return {};
}

Result<void> Reader::check_diagnostics() const {
    return diagnostics_.has_errors()
               ? Result<void>(fail(
                     ErrorCode::InvalidArgument,
                     "Failed to parse ACL Policy: {}",
                     hcl::first_error(diagnostics_, names_)
                 ))
               : Result<void>();
}

Result<Policy> Reader::read() {
    policy_.raw = rules_;
    context_.steps = &steps_;
    if (rules_.size() > kRulesBytesMax) {
        return fail(
            ErrorCode::InvalidArgument,
            "the rules are {} bytes long, more than {}",
            rules_.size(),
            kRulesBytesMax
        );
    }
    const auto document =
        hcl::read_document(std::string(rules_), names_.add("policy"), names_, diagnostics_);
    NL_TRY_VOID(check_diagnostics());
    const hcl::BodyContent top = content(
        document->view(),
        {{"namespace", 1},
         {"node_pool", 1},
         {"host_volume", 1},
         {"agent", 0},
         {"node", 0},
         {"operator", 0},
         {"quota", 0},
         {"plugin", 0},
         {"sentinel", 0}}
    );
    NL_TRY_VOID(check_diagnostics());
    if (!top.attributes.empty()) {
        return fail(
            ErrorCode::InvalidArgument,
            "Failed to parse ACL Policy: invalid key \"{}\"",
            top.attributes.front().name
        );
    }
    for (const hcl::BodyBlock& block : top.blocks) {
        if (block.type == "namespace") {
            NL_TRY_VOID(read_namespace(block));
        } else if (is_one_of(block.type, {"node_pool", "host_volume"})) {
            NL_TRY_VOID(read_named(block));
        } else if (is_one_of(block.type, {"agent", "node", "quota", "plugin", "sentinel"})) {
            NL_TRY_VOID(read_level(block));
        } else if (block.type == "operator") {
            NL_TRY_VOID(read_operator(block));
        } else {
            return fail(
                ErrorCode::InvalidArgument,
                "Failed to parse ACL Policy: invalid block \"{}\"",
                block.type
            );
        }
    }
    if (policy_.namespaces.empty() && policy_.node_pools.empty() && policy_.host_volumes.empty() &&
        !policy_.agent && !policy_.node && !policy_.operator_ && !policy_.quota &&
        !policy_.plugin && !policy_.sentinel) {
        return fail(ErrorCode::InvalidArgument, "Invalid policy: {}", rules_);
    }
    return std::move(policy_);
}

Value list_value(const std::vector<std::string>& items) {
    return items.empty() ? Value() : Value(Value::List(items.begin(), items.end()));
}

Value level_value(const std::optional<std::string>& level) {
    return level ? Value(Value::Map{{"Policy", *level}}) : Value();
}

Value named_value(const std::vector<NamedRule>& rules) {
    Value::List out;
    for (const NamedRule& rule : rules) {
        out.emplace_back(Value::Map{
            {"Name", rule.name},
            {"Policy", rule.policy},
            {"Capabilities", list_value(rule.capabilities)}
        });
    }
    return out.empty() ? Value() : Value(std::move(out));
}

}  // namespace

Result<Policy> parse_policy(std::string_view rules) {
    if (rules.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        return Policy{};
    }
    return Reader(rules).read();
}

Value rules_json(const Policy& policy) {
    Value::List namespaces;
    for (const NamespaceRule& rule : policy.namespaces) {
        Value variables;
        if (rule.paths) {
            Value::List paths;
            for (const PathRule& path : *rule.paths) {
                paths.emplace_back(Value::Map{
                    {"PathSpec", path.path}, {"Capabilities", list_value(path.capabilities)}
                });
            }
            variables = Value::Map{{"Paths", paths.empty() ? Value() : Value(std::move(paths))}};
        }
        namespaces.emplace_back(Value::Map{
            {"Name", rule.name},
            {"Policy", rule.policy},
            {"Capabilities", list_value(rule.capabilities)},
            {"Variables", std::move(variables)}
        });
    }
    Value rule_of_operator;
    if (policy.operator_) {
        rule_of_operator = Value::Map{
            {"Policy", policy.operator_->policy},
            {"Capabilities", list_value(policy.operator_->capabilities)}
        };
    }
    return Value::Map{
        {"Namespaces", namespaces.empty() ? Value() : Value(std::move(namespaces))},
        {"NodePools", named_value(policy.node_pools)},
        {"HostVolumes", named_value(policy.host_volumes)},
        {"Agent", level_value(policy.agent)},
        {"Node", level_value(policy.node)},
        {"Operator", std::move(rule_of_operator)},
        {"Quota", level_value(policy.quota)},
        {"Plugin", level_value(policy.plugin)},
        {"Sentinel", level_value(policy.sentinel)},
        {"ExtraKeysHCL", Value()},
        {"Raw", policy.raw}
    };
}

}  // namespace nl::policy
